"""The Optical Path module: light, objective, colour profile, one item a channel. Source: PS3.3 C.8.12.5."""

import struct

from pydicom.dataset import Dataset

from lamelle.dicom.vendors import icc
from lamelle.dicom.vendors.facts import Code
from lamelle.dicom.vendors.slide import Channel, Slide, clean
from lamelle.dicom.vendors.specimen import code

BRIGHTFIELD = Code("111744", "DCM", "Brightfield illumination")
EPIFLUORESCENCE = Code("111743", "DCM", "Epifluorescence illumination")
FULL_SPECTRUM = Code("414298005", "SCT", "Full Spectrum")


def write(dataset: Dataset, slide: Slide, channels: tuple[Channel, ...], *, colored: bool, bits: int) -> None:
    """Fill the module for an image of these channels."""
    dataset.NumberOfOpticalPaths = len(channels)
    dataset.OpticalPathSequence = [_path(slide, one, colored, bits) for one in channels]


def _path(slide: Slide, channel: Channel, colored: bool, bits: int) -> Dataset:
    item = Dataset()
    item.OpticalPathIdentifier = channel.identifier
    notes = [clean(channel.name)] if channel.name else []
    item.IlluminationTypeCodeSequence = code(BRIGHTFIELD if channel.brightfield else EPIFLUORESCENCE)
    if channel.excitation_nm:
        item.IlluminationWaveLength = channel.excitation_nm
    else:
        item.IlluminationColorCodeSequence = code(FULL_SPECTRUM)
    if channel.emission_nm:
        notes.append(f"emission {channel.emission_nm:g} nm")
    if slide.objective_power:
        item.ObjectiveLensPower = f"{slide.objective_power:g}"
    if colored:
        own = slide.icc is not None and icc.is_rgb_profile(slide.icc)
        item.ICCProfile = slide.icc + bytes(len(slide.icc) % 2) if own and slide.icc else _even(icc.srgb())
        if not own:
            item.ColorSpace = "SRGB"
            notes.append("sRGB assumed: no ICC profile in the source")
    elif channel.color:
        item.PaletteColorLookupTableSequence = [_palette(channel.color, bits)]
        item.ICCProfile = _even(icc.srgb())
        item.ColorSpace = "SRGB"
    if notes:
        item.OpticalPathDescription = "; ".join(notes)[:1024]
    return item


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)


def _palette(color: tuple[int, int, int], bits: int) -> Dataset:
    """Black to `color` in a straight line: two segments of a segmented table. Source: PS3.3 C.7.9.2."""
    item = Dataset()
    entries = 1 << bits
    for name, value in zip(("Red", "Green", "Blue"), color, strict=True):
        setattr(item, f"{name}PaletteColorLookupTableDescriptor", [entries % 65536, 0, 16])
        table = struct.pack("<6H", 0, 1, 0, 1, entries - 1, value * 257)
        setattr(item, f"Segmented{name}PaletteColorLookupTableData", table)
    return item
