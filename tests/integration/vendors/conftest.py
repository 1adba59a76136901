"""Slides of every kind that can be had here, converted once into folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lamelle.dicom.vendors import Code, SlideFacts
from lamelle.dicom.vendors.conversion import ConvertedSlide, convert
from lamelle.testing import slides, tiffs

FACTS = SlideFacts(
    accession_number="S24-1", container_id="S24-1-A1-1", block="S24-1-A1", part="S24-1-A", stain="H&E",
    anatomic_site=Code("76752008", "SCT", "Breast"), specimen_description="Breast, core", institution="Here",
)  # fmt: skip


@dataclass(frozen=True)
class Folder:
    source: Path
    path: Path
    slide: ConvertedSlide

    @property
    def files(self) -> list[Path]:
        return [self.path / f"{one.name}.dcm" for one in self.slide.instances]


def into(source: Path, path: Path, facts: SlideFacts | None = None) -> Folder:
    path.mkdir(parents=True)

    @contextmanager
    def sink(name: str) -> Iterator[BufferedWriter]:
        with (path / f"{name}.dcm").open("wb") as file:
            yield file

    return Folder(source, path, convert(source, sink, facts))


def make(kind: str, path: Path) -> Path:
    source = path / f"slide.{kind.rsplit('-', maxsplit=1)[-1]}"
    if kind == "svs":
        tiffs.svs(source, 1200, 900)
    elif kind == "ndpi":
        tiffs.ndpi(source)
    elif kind == "czi":
        slides.czi(source, tiffs.tissue(1100, 800))
    elif kind == "scn":
        slides.scn(source, tiffs.tissue(1100, 800))
    elif kind == "wide-ndpi":
        tiffs.ndpi(source, 4096, 512, interval=256)
    elif kind == "turned-tif":
        tiffs.write(source, [tiffs.level(tiffs.tissue(900, 700), more={274: 6})])
    elif kind == "mirrored-tif":
        tiffs.write(source, [tiffs.level(tiffs.tissue(900, 700), more={274: 5})])
    elif kind == "z-ndpi":
        tiffs.ndpi(source, 1024, 600, (-2000, 0, 2000))
    elif kind == "single-tif":
        tiffs.write(source, [tiffs.level(tiffs.tissue(2600, 900))])
    elif kind == "lossless-tif":
        tifffile.imwrite(source, tiffs.tissue(300, 200), tile=(64, 64), photometric="rgb")
    elif kind == "channels-ome.tif":
        source = path / "slide.ome.tif"
        data = np.stack([tiffs.tissue(200, 150, seed)[:, :, 1] for seed in (1, 2)])
        channels = {"Name": ["DAPI", "FITC"], "ExcitationWavelength": [358.0, 495.0], "Color": [65535, 16711935]}
        tifffile.imwrite(source, data, tile=(64, 64), metadata={"axes": "CYX", "Channel": channels})
    return source


KINDS = [
    "svs",
    "ndpi",
    "z-ndpi",
    "single-tif",
    "lossless-tif",
    "channels-ome.tif",
    "wide-ndpi",
    "turned-tif",
    "mirrored-tif",
    "czi",
    "scn",
]


@pytest.fixture(scope="session", params=[*KINDS, "svs with facts"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    path = tmp_path_factory.mktemp("vendors")
    kind: str = request.param
    facts = FACTS if kind.endswith("with facts") else None
    return into(make(kind.split(maxsplit=1)[0], path), path / "out", facts)
