"""DICOMweb (PS3.18): STOW-RS, QIDO-RS, WADO-RS."""

from lamelle.doors.dicomweb.frames import FramesFastPath
from lamelle.doors.dicomweb.routes import mount, routes
from lamelle.doors.dicomweb.settings import DicomwebSettings

__all__ = ["DicomwebSettings", "FramesFastPath", "mount", "routes"]
