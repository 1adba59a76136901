"""Metadata with bulk parts -> Part 10 files, for STOW-RS bodies of application/dicom+json and +xml.

Source: PS3.18 8.7.3.3, 10.5.1.2, Annex F.
"""

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from lamelle.base.errors import Invalid, LamelleError, TooLarge
from lamelle.doors import http
from lamelle.doors.dicomweb import negotiate, xml
from lamelle.doors.dicomweb.negotiate import ALIASES, EVLE, OCTETS

# What a compressed part is when it does not say. Source: PS3.18 Table 8.7.3-5.
_DEFAULT_SYNTAX: Final = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    OCTETS: EVLE,
}
_BASELINE: Final = "1.2.840.10008.1.2.4.50"
METADATA_LIMIT: Final = 64 << 20
"""Bytes of one part of metadata: read, they take some twenty times as many."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the body, whole."""

    headers: Mapping[str, str]
    data: bytes


def files(parts: Sequence[Part], limit: int) -> Iterator[bytes | LamelleError]:
    """A Part 10 file for each metadata object, or why there is none.

    A part may be used by many attributes, but all that is used together has at most `limit` bytes: a body must not
    grow while it is put together.

    Raises: Invalid("bad_json", "bad_xml") when the metadata themselves cannot be read; TooLarge("metadata_too_large").
    """
    bulk: dict[str, list[Part]] = {}
    objects: list[dict[str, Any]] = []
    for part in parts:
        kind = http.content_type(part.headers.get("content-type", ""))
        name = ALIASES.get(kind.type, kind.type) if kind else ""
        if name in {negotiate.JSON, negotiate.XML} and len(part.data) > METADATA_LIMIT:
            raise TooLarge("metadata_too_large", f"a part of metadata has {METADATA_LIMIT} bytes at most")
        if name == negotiate.JSON:
            objects.extend(_json(part.data))
        elif name == negotiate.XML:
            objects.append(xml.read(part.data))
        else:
            bulk.setdefault(part.headers.get("content-location", ""), []).append(part)
    left = limit

    def used(uri: str) -> list[Part]:
        nonlocal left
        found = bulk.get(uri, [])
        left -= sum(len(part.data) for part in found)
        if left < 0:
            raise TooLarge("bulk_too_large", f"the bulk values of a body have {limit} bytes, each use counted")
        return found

    for item in objects:
        try:
            yield _file(item, used)
        except LamelleError as error:
            yield error


def _json(data: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Invalid("bad_json", "the metadata part is no JSON") from error
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in items):
        raise Invalid("bad_json", "the metadata part is no array of objects")
    return items


def _file(item: Mapping[str, Any], used: Callable[[str], list[Part]]) -> bytes:
    pixel_parts: list[Part] = []

    def value_of(tag: str, vr: str, uri: str) -> bytes:
        found = used(uri)
        if not found:
            raise Invalid("no_such_part", f"the bulk value {tag} refers to a part that is not in the body")
        if tag == "7FE00010":
            pixel_parts.extend(found)
            return b""
        return b"".join(part.data for part in found)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = Dataset.from_json(
                {tag: element for tag, element in item.items() if not tag.startswith("0002")}, value_of
            )
            return _written(dataset, pixel_parts)
        except LamelleError:
            raise
        except Exception as error:
            raise Invalid("bad_metadata", "a metadata object is no DICOM data set") from error


def _written(dataset: Dataset, pixel_parts: Sequence[Part]) -> bytes:
    syntax = EVLE
    if pixel_parts:
        media = http.content_type(pixel_parts[0].headers.get("content-type", OCTETS))
        kind = ALIASES.get(media.type, media.type) if media else OCTETS
        syntax = (media.parameter("transfer-syntax") if media else None) or _guess(kind, pixel_parts[0].data)
        values = [part.data for part in pixel_parts]
        if UID(syntax).is_encapsulated:
            dataset.PixelData = encapsulate(values)
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
        else:
            native = b"".join(values)
            dataset.PixelData = native + b"\0" * (len(native) % 2)
            dataset["PixelData"].VR = "OW" if int(dataset.get("BitsAllocated") or 8) > 8 else "OB"
    dataset.pop("SpecificCharacterSet", None)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return out.getvalue()


def _guess(kind: str, data: bytes) -> str:
    syntax = _DEFAULT_SYNTAX.get(kind)
    if syntax is None:
        raise Invalid("bad_part", f"pixel data of media type {kind} are not taken")
    # The default of image/jpeg is the lossless process; nearly all JPEG in the field is baseline.
    return _BASELINE if kind == "image/jpeg" and b"\xff\xc0\x00" in data[:65536] else syntax
