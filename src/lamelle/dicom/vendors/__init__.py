"""Vendor slide files read as what they are: pyramids of encoded tiles, written out as DICOM.

`convert` is the door of this room; readers of single formats are not for use from outside.
"""

from lamelle.dicom.vendors.conversion import ConvertedSlide, ConvertSettings, Sink, WrittenInstance, convert
from lamelle.dicom.vendors.facts import Code, SiteRule, SlideFacts
from lamelle.dicom.vendors.sniffing import sniff

__all__ = [
    "Code",
    "ConvertSettings",
    "ConvertedSlide",
    "Sink",
    "SiteRule",
    "SlideFacts",
    "WrittenInstance",
    "convert",
    "sniff",
]
