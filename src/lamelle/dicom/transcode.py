"""A whole file rewritten as Explicit VR Little Endian, in memory, pixels decoded when they are compressed.

For clients that ask for it; what is kept is never touched. Source: PS3.5 A.2, PS3.18 8.7.3.5.
"""

import io
import warnings
from collections.abc import Callable

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lamelle.base.errors import Invalid, LamelleError
from lamelle.dicom import pixels, transfer

# Bytes of one word in the values pydicom leaves as they are.
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def explicit_little(
    data: bytes, transfer_syntax: str, decode: pixels.Decode, frames: Callable[[], list[bytes]] | None = None
) -> bytes:
    """The same instance in Explicit VR Little Endian, from the syntax it is in, whether or not its meta says so.

    `frames` gives the encoded frames of a file with encapsulated pixels, `decode` decodes one.

    Raises: Invalid("not_rewritable"), and as `decode`.
    """
    with warnings.catch_warnings():
        # Odd values are passed through, not judged here.
        warnings.simplefilter("ignore")
        try:
            return _rewritten(data, transfer_syntax, decode, frames)
        except LamelleError:
            raise
        except Exception as error:
            raise Invalid("not_rewritable", "the instance cannot be rewritten as Explicit VR Little Endian") from error


def native(data: bytes, transfer_syntax: str, wanted: str) -> bytes:
    """The data set alone of an uncompressed instance in another uncompressed syntax; pixels are the same.

    Raises: Invalid("not_rewritable").
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = _read(data, transfer_syntax)
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(wanted)
            out = pydicom.filebase.DicomBytesIO()
            out.is_implicit_VR, out.is_little_endian = wanted == ImplicitVRLittleEndian, True
            pydicom.filewriter.write_dataset(out, dataset)
            return out.getvalue()
        except Exception as error:
            raise Invalid("not_rewritable", f"the instance cannot be rewritten as {wanted}") from error


def _rewritten(data: bytes, syntax: str, decode: pixels.Decode, frames: Callable[[], list[bytes]] | None) -> bytes:
    dataset = _read(data, syntax)
    if frames is not None:
        _decompress(dataset, syntax, decode, frames())
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def _read(data: bytes, syntax: str) -> pydicom.FileDataset:
    """The data set with values instead of raw elements, words little-endian."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    for tag in [tag for tag in dataset.keys() if tag >> 16 == 0xFFFE]:  # noqa: SIM118 - iterating reads the values
        # Items and delimiters astray between elements, as some writers leave them behind pixel data.
        del dataset[tag]
    known = transfer.lookup(syntax)
    little = known is None or known.little
    # Raw elements would be copied in their old encoding: reading each one makes it a value.
    for element in dataset.iterall():
        if not little and element.VR in _WORDS and isinstance(element.value, bytes):
            element.value = _swapped(element.value, _WORDS[element.VR])
    return dataset


def _swapped(value: bytes, width: int) -> bytes:
    return np.frombuffer(value[: len(value) // width * width], f">u{width}").astype(f"<u{width}").tobytes()


def _decompress(dataset: Dataset, syntax: str, decode: pixels.Decode, frames: list[bytes]) -> None:
    form = pixels.pixel_format(dataset)
    out = bytearray()
    for frame in frames:
        out += decode(frame, syntax, form).tobytes()
    if form.bits_allocated == 1:
        out = bytearray(np.packbits(np.frombuffer(bytes(out), np.uint8), bitorder="little").tobytes())
    dataset.PhotometricInterpretation = pixels.photometric_of(syntax, form)
    if form.samples > 1:
        dataset.PlanarConfiguration = 0
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "EncapsulatedPixelDataValueTotalLength"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.PixelData = bytes(out) + b"\0" * (len(out) % 2)
    dataset["PixelData"].VR = "OW" if form.bits_allocated > 8 else "OB"
