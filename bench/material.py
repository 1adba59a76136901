"""What is sent and asked for: slides, CTs and bare studies of any number, made once, the same every time.

Tiles are drawn by the demonstration. Files are made larger by repeating tiles; UIDs hold a tag that `retagged` swaps.
"""

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from lamelle.ops.demo import cases, ct, svs, wsi
from lamelle.ops.demo.organs import ORGANS
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.stainings import STAININGS

TILE = 256
TAG = b".100000."  # in every UID; another number of six digits makes another study
ROOT = "1.2.826.0.1.3680043.10.543"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"


def retagged(data: bytes, tag: int, head: int = 1 << 16) -> bytes:
    """The same Part 10 file as another study."""
    return data[:head].replace(TAG, b".%06d." % tag) + data[head:]


def cached(path: Path, make: Callable[[], Sequence[bytes]]) -> tuple[bytes, ...]:
    """What `make` gives, made once and read from `path` afterwards."""
    if not path.exists():
        parts = make()
        draft = path.with_suffix(".part")
        draft.write_bytes(struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts))
        draft.rename(path)
    data = path.read_bytes()
    count = struct.unpack_from("<I", data)[0]
    ends = list(accumulate(struct.unpack_from(f"<{count}I", data, 4), initial=4 + 4 * count))
    return tuple(data[start:end] for start, end in pairwise(ends))


def retold(path: Path, tag: int, other: int, head: int = 1 << 14) -> bytes:
    """The file with another study's UIDs of the same length."""
    data = path.read_bytes()
    return data[:head].replace(b".%06d." % tag, b".%06d." % other) + data[head:]


@lru_cache(maxsize=1)
def pool(work: Path) -> tuple[bytes, ...]:
    """Different JPEG tiles of drawn tissue, about 28 kB each."""
    return cached(work / "tiles.pool", _drawn)


def _drawn(count: int = 400, quality: int = 92) -> list[bytes]:
    staining = STAININGS["HES"]
    scene = Scene(8192, 6144, 0.25, staining.stains, 3)
    ORGANS["colon"](scene, staining)
    tiles: list[bytes] = []
    rng = np.random.default_rng(1)
    while len(tiles) < count:
        pixels = scene.block(int(rng.integers(0, 31)) * TILE, int(rng.integers(0, 23)) * TILE, TILE, TILE)
        if pixels.min(2).mean() < 215:
            grain = rng.normal(0, 5, pixels.shape)
            tiles.append(svs.compress(np.clip(pixels + grain, 0, 255).astype(np.uint8), quality))
    return tiles


@dataclass(frozen=True, slots=True)
class SlideFile:
    """One level of a slide as DICOM and where its frames lie."""

    path: Path
    study: str
    series: str
    sop: str
    offsets: tuple[tuple[int, int], ...]  # of each frame in the file: start, length

    @property
    def frames_path(self) -> str:
        return f"/studies/{self.study}/series/{self.series}/instances/{self.sop}/frames"


def slide(work: Path, side: int, number: int = 1) -> SlideFile:
    """Slide `number` of side x side tiles with a Basic Offset Table."""
    path = work / f"slide{side}-{number}.dcm"
    tag = 200000 + number
    study = f"{ROOT}.{tag}.1"
    tiles = pool(work)
    header, order = _slide_header(side, tag), _order(side * side, len(tiles), number)
    lengths = np.array([len(tiles[k]) + len(tiles[k]) % 2 for k in order], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths + 8)[:-1]])
    if not path.exists():
        draft = path.with_suffix(".part")
        with draft.open("wb") as out:
            out.write(header)
            out.write(struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF))
            out.write(struct.pack("<HHI", 0xFFFE, 0xE000, 4 * len(order)) + starts.astype("<u4").tobytes())
            for k in order:
                out.write(struct.pack("<HHI", 0xFFFE, 0xE000, len(tiles[k]) + len(tiles[k]) % 2))
                out.write(tiles[k] + b"\0" * (len(tiles[k]) % 2))
            out.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
        draft.rename(path)
    first = path.stat().st_size - 8 - int((lengths + 8).sum())  # the file may be of an earlier header
    offsets = tuple(
        (first + int(start) + 8, int(length)) for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    )
    return SlideFile(path, study, f"{study}.1", f"{study}.1.1", offsets)


def _order(count: int, tiles: int, number: int) -> list[int]:
    """Which tile of the pool each frame is."""
    chosen: list[int] = np.random.default_rng(number).integers(0, tiles, count).tolist()
    return chosen


def _slide_header(side: int, tag: int) -> bytes:
    """Everything before the pixel data."""
    study = f"{ROOT}.{tag}.1"
    out = wsi.common(cases.COLON, "B1", 1, ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    wsi.pixel_matrix(out, [b"00"] * (side * side), (side * TILE, side * TILE), (TILE, TILE), 0.25, (0.0,))
    del out.PixelData
    out.StudyInstanceUID, out.SeriesInstanceUID, out.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
    out.PatientID, out.AccessionNumber = f"BENCH{tag}", f"B{tag}"
    return wsi.part10(out, JPEGBaseline8Bit)


def sparse_slide(work: Path, frames: int = 25_600) -> Path:
    """A slide whose every tile has its own functional group item, with tiny tiles: for metadata."""
    path = work / f"sparse{frames}.dcm"
    if path.exists():
        return path
    side = int(frames**0.5)
    out = pydicom.dcmread(io.BytesIO(_slide_header(side, 300001)))
    out.DimensionOrganizationType = "TILED_SPARSE"
    items = []
    for k in range(side * side):
        row, column = divmod(k, side)
        place = wsi.item(
            ColumnPositionInTotalImagePixelMatrix=column * TILE + 1, RowPositionInTotalImagePixelMatrix=row * TILE + 1
        )
        place.XOffsetInSlideCoordinateSystem = f"{20 - row * 0.064:.4f}"
        place.YOffsetInSlideCoordinateSystem = f"{40 - column * 0.064:.4f}"
        place.ZOffsetInSlideCoordinateSystem = "0.0"
        content = wsi.item(DimensionIndexValues=[column + 1, row + 1])
        items.append(
            wsi.item(
                FrameContentSequence=pydicom.Sequence([content]), PlanePositionSlideSequence=pydicom.Sequence([place])
            )
        )
    out.PerFrameFunctionalGroupsSequence = pydicom.Sequence(items)
    tiny = svs.compress(np.full((TILE, TILE, 3), 240, np.uint8), 30)
    out.PixelData = pydicom.encaps.encapsulate([tiny] * len(items), has_bot=True)
    out["PixelData"].VR = "OB"
    path.write_bytes(wsi.part10(out, JPEGBaseline8Bit))
    return path


def _ct_template() -> list[bytes]:
    """Twelve CT images of 512 x 512, about 0.5 MB each, with the tag in their UIDs."""
    volume = ct.phantom(ct.ABDOMEN, 12, 512, 1)
    images = []
    for k, pixels in enumerate(volume):
        out = wsi.patient_and_study(cases.ABDOMEN)
        study = ROOT + TAG.decode() + "3"
        out.SOPClassUID, out.Modality = ct.CT_IMAGE, "CT"
        out.StudyInstanceUID, out.SeriesInstanceUID, out.SOPInstanceUID = study, f"{study}.1", f"{study}.1.99999"
        out.PatientID, out.SeriesNumber, out.InstanceNumber = "BENCH-CT", 1, k + 1
        out.SamplesPerPixel, out.PhotometricInterpretation, out.Rows, out.Columns = 1, "MONOCHROME2", 512, 512
        out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 16, 16, 15, 1
        out.RescaleIntercept, out.RescaleSlope, out.PixelSpacing = 0, 1, [0.74, 0.74]
        out.ImagePositionPatient, out.ImageOrientationPatient = [0, 0, k * 5], [1, 0, 0, 0, 1, 0]
        out.PixelData = pixels.astype("<i2").tobytes()
        images.append(wsi.part10(out, ExplicitVRLittleEndian))
    return images


def ct_images(work: Path, tag: int, count: int) -> Iterator[bytes]:
    """`count` CT instances of one study; another tag is another study."""
    parts = ct_parts(work, 4096)
    for k in range(count):
        head, rest = parts[k % len(parts)]
        yield ct_named(head, tag, k) + rest


def ct_parts(work: Path, head: int) -> list[tuple[bytes, memoryview]]:
    """The first bytes of each template, which hold its names, and its rest."""
    return [(data[:head], memoryview(data)[head:]) for data in cached(work / "ct.pool", _ct_template)]


def ct_named(head: bytes, tag: int, number: int) -> bytes:
    """The head of instance `number` of study `tag`."""
    old = (ROOT + TAG.decode() + "3.1.99999").encode()
    new = (ROOT + f".{tag:06d}.3.1.{10000 + number}").encode()
    return retagged(head.replace(old, new), tag, len(head))


FAMILIES = [
    "EXEMPLE",
    "FICTIF",
    "MODELE",
    "ESSAI",
    "IMAGINAIRE",
    "FACTICE",
    "TEMOIN",
    "SPECIMEN",
    "NOTIONNEL",
    "VIRTUEL",
]
GIVEN = [
    "Louise",
    "Armand",
    "Clemence",
    "Theodore",
    "Noe",
    "Aicha",
    "Marguerite",
    "Paul",
    "Ines",
    "Hugo",
    "Zoe",
    "Samir",
]


def study_uid(number: int) -> str:
    """UID of bare study `number`."""
    return f"{ROOT}.400000.{10_000_000 + number}"


def facts_of(number: int) -> dict[str, str]:
    """What is searched for in bare study `number`: about 2.5 studies a patient, ten years of dates."""
    patient = number * 2 // 5
    day = np.datetime64("2016-01-01") + (number * 7919) % 3650
    return {
        "StudyInstanceUID": study_uid(number),
        "PatientName": f"{FAMILIES[patient % 10]}{patient // 120:05d}^{GIVEN[patient // 10 % 12]}",
        "PatientID": f"BENCH{patient:07d}",
        "StudyDate": str(day).replace("-", ""),
        "AccessionNumber": f"{number:09d}",
    }


@lru_cache(maxsize=1)
def _bare() -> tuple[bytes, dict[str, bytes]]:
    """The file of a bare study and the texts in it that `bare_study` replaces by others of the same length."""
    texts = {"PatientName": "N" * 24, "PatientID": "I" * 12, "StudyDate": "20010101", "AccessionNumber": "A" * 9}
    out = wsi.item(SpecificCharacterSet="ISO_IR 192", SOPClassUID=RAW_DATA, Modality="SM", SeriesNumber=1)
    for keyword, value in texts.items():
        setattr(out, keyword, value)
    out.InstanceNumber, out.PatientBirthDate, out.PatientSex, out.StudyTime = 1, "19700102", "O", "101500"
    out.StudyDescription, out.ReferringPhysicianName = "Piece operatoire", "FICTIF^Docteur"
    study = study_uid(0)
    out.StudyInstanceUID, out.SeriesInstanceUID, out.SOPInstanceUID = study, f"{study}.1", f"{study}.1.1"
    return wsi.part10(out, ExplicitVRLittleEndian), {key: text.encode() for key, text in texts.items()}


def bare_study(number: int) -> bytes:
    """A study of one instance without pixels."""
    data, texts = _bare()
    facts = facts_of(number)
    for keyword, old in texts.items():
        data = data.replace(old, facts[keyword].encode().ljust(len(old))[: len(old)])
    return data.replace(study_uid(0).encode(), study_uid(number).encode())
