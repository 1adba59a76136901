"""Lamelle: from the glass slide to the validated diagnosis, on one vendor-neutral DICOM archive."""
