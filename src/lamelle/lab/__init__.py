"""The laboratory's work: what is scheduled to be imaged, what was done of it, what became available. No protocol."""
