"""Drawn tissue: nuclei and fibres of known sharpness, with what a camera adds."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import instances, pictures
from lamelle.testing.archives import SetClock

Picture = NDArray[np.uint8]


def drawn(height: int, width: int, seed: int = 1) -> Picture:
    """Tissue from edge to edge, (rows, columns, 3), at half a micrometre a pixel: dark nuclei on pink."""
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter(rng.normal(0, 1, (height, width)), 6)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = (225, 160, 190)
    picture += soft[..., None] / soft.std() * 6
    y, x = np.mgrid[-8:9, -8:9]
    for row, column in rng.integers(8, [height - 8, width - 8], (height * width // 900, 2)):
        reach = rng.uniform(9, 60)
        picture[row - 8 : row + 9, column - 8 : column + 9][x * x + y * y < reach] = (95, 60, 140)
    return picture.clip(0, 255).astype(np.uint8)


def on_glass(height: int, width: int, tissue: tuple[slice, slice], seed: int = 1, glass: int = 243) -> Picture:
    """Empty glass with tissue in a part of it."""
    rng = np.random.default_rng(seed)
    picture = np.clip(rng.normal(glass, 1.5, (height, width, 3)), 0, 255).astype(np.uint8)
    rows, columns = tissue
    picture[tissue] = drawn(rows.stop - rows.start, columns.stop - columns.start, seed)
    return picture


def taken(picture: Picture, sigma: float = 0.0, seed: int = 2) -> Picture:
    """As a camera gives it: out of focus by so many pixels, then noise, then JPEG."""
    seen = picture.astype(np.float32)
    if sigma:
        seen = ndimage.gaussian_filter(seen, (sigma, sigma, 0))
    seen = seen + np.random.default_rng(seed).normal(0, 1.5, seen.shape).astype(np.float32)
    out = io.BytesIO()
    Image.fromarray(seen.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=82)
    return np.asarray(Image.open(out))


@pytest.fixture(scope="session")
def field() -> Picture:
    """One sharp field."""
    return drawn(256, 256)


def slide(
    picture: Picture, study: str, series: str, *, tile: int = 256, mm: float = 0.0005, **said: object
) -> list[bytes]:
    """A DICOM slide of two levels, 4 apart; `said` are attributes of its optical path or its instances."""
    path = pydicom.Dataset()
    path.OpticalPathIdentifier = "1"
    path.ObjectiveLensPower = str(said.pop("objective", "20"))
    made = []
    for number, factor in enumerate((1, 4), 1):
        height, width = picture.shape[0] // factor, picture.shape[1] // factor
        level = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
        rows, columns = -(-height // tile), -(-width // tile)
        level = np.pad(level, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge")
        frames = [
            pictures.jpeg(level[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile])
            for row in range(rows)
            for column in range(columns)
        ]
        measures, shared = pydicom.Dataset(), pydicom.Dataset()
        measures.PixelSpacing = [0.0005 * factor] * 2
        shared.PixelMeasuresSequence = [measures]
        about = {
            "DimensionOrganizationType": "TILED_FULL", "FrameOfReferenceUID": uid_from("frame", study, series),
            "OpticalPathSequence": [path], "SharedFunctionalGroupsSequence": [shared], "Rows": tile, "Columns": tile,
            "TotalPixelMatrixColumns": width, "TotalPixelMatrixRows": height, "TotalPixelMatrixFocalPlanes": 1,
            "StudyInstanceUID": study, "SeriesInstanceUID": series,
        }  # fmt: skip
        made.append(instances.slide(frames, study, series, number, **about))
    return made


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def archive(tmp_path: Path, catalogue_url: str, clock: SetClock) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


@pytest.fixture
def lab(archive: Archive, clock: SetClock) -> Lab:
    return Lab(archive.db, clock, LabSettings())
