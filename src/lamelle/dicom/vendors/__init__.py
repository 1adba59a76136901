"""Vendor slide files read as what they are: pyramids of encoded tiles, written out as DICOM."""
