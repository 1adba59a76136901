"""HL7 version 2 over MLLP with laboratory systems and identity servers, both ways; each one's dialect is a table."""
