"""Vendor slide files read as what they are: pyramids of encoded tiles, written out as DICOM.

`conversion.convert` is the door of this room; readers of single formats are not for use from outside. What is imported
here is what settings are made of: who only reads them loads no codec.
"""

from lamelle.dicom.vendors.facts import Code, SiteRule, SlideFacts
from lamelle.dicom.vendors.settings import ConvertSettings

__all__ = ["Code", "ConvertSettings", "SiteRule", "SlideFacts"]
