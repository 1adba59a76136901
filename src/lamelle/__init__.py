"""Lamelle: from the glass slide to the validated diagnosis, on one vendor-neutral DICOM archive."""

__version__ = "0.1.0"
