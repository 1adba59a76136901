"""Every real file goes in by STOW-RS and by `lamelle import`, and its bytes come out; what is broken is told so."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile

from lamelle.access.model import WHOLE
from lamelle.archive import imports
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing.client import Client, Stored
from lamelle.testing.node import Node

ROOT = Path(__file__).parents[2]
CONFLICT, CANNOT_UNDERSTAND = 0x0111, 0xC000
DOCUMENTED = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/reference/errors.md").read_text("utf-8"), re.MULTILINE))
NO_RESERVE = {"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}
NAMELESS = 18
"""Files of dicom/ok without the identifiers an archive files by (and no UID for them may be made up)."""


def dicom_files(folder: Path) -> list[Path]:
    """The Part 10 files and bare data sets of a folder, DICOMDIRs and notes left out."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if path.suffix in ("", ".dcm", ".DCM") and "DICOMDIR" not in path.name.upper()]
    return sorted(path for path in kept if path.name not in ("LICENSE", "README"))


def lamelle(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lamelle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("every") / "data", environment=NO_RESERVE) as started:
        yield started


def healthy(client: Client) -> bool:
    return client.get("/health").status == 200


def spooled(data: Path) -> list[Path]:
    found = [path for path in data.rglob("*") if "spool" in path.parts and path.is_file()]
    return [path for path in found if path.suffix != ".lock"]


def put(client: Client, content: bytes) -> Stored:
    """Store; where other bytes hold the UID, see the conflict told, delete those and store again."""
    stored = client.store(content)
    if stored.failures == (CONFLICT,):
        assert stored.status == 409
        [item] = stored.answer.json()["00081198"]["Value"]
        sop = item["00081155"]["Value"][0]
        [found] = client.get(f"/dicomweb/instances?SOPInstanceUID={sop}").json()
        study, series = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        assert client.delete(study, series, sop).status in (200, 204)
        assert client.instance(study, series, sop).status == 410
        stored = client.store(content)
    return stored


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "refusals"), [("dicom/ok", NAMELESS), ("wsi", 0)])
def test_every_dicom_file_comes_out_as_it_went_in(node: Node, shared_data: Path, folder: str, refusals: int) -> None:
    refused = []
    files = [path for path in dicom_files(shared_data / folder) if path.parent.name != "bad" and _is_dicom(path)]
    assert len(files) > 20
    with Client(node.url) as client:
        for path in files:
            content = path.read_bytes()
            stored = put(client, content)
            if not stored.kept:
                refused.append((path.name, stored.status, stored.failures))
                continue
            assert stored.status == 200, path.name
            [where] = stored.kept
            answer = client.instance(*where)
            assert (answer.status, _part(answer.body) == content) == (200, True), path.name
        assert healthy(client)
    assert len(refused) == refusals, refused
    assert all(status == 409 and reasons == (CANNOT_UNDERSTAND,) for _, status, reasons in refused), refused
    assert spooled(node.data_dir) == []


@pytest.mark.slow
def test_every_imported_dicom_file_comes_out_as_it_went_in(shared_data: Path, tmp_path: Path) -> None:
    """What the import says of each file is what the door then gives."""
    folder = shared_data / "dicom" / "ok"
    said = lamelle("import", "--data", tmp_path / "data", folder)
    assert "Traceback" not in said.stderr
    lines = [line for line in said.stdout.splitlines() if line.startswith(("refused: ", "conflict: "))]
    assert {line.rpartition("(")[2].rstrip(")") for line in lines} <= DOCUMENTED
    named = {line.split(": ")[1] for line in lines}
    files = [path for path in dicom_files(folder) if _is_dicom(path) and str(path) not in named]
    assert len(files) > 200
    with Node(tmp_path / "data", environment=NO_RESERVE) as node, Client(node.url) as client:
        kept = set()
        for item in client.get("/dicomweb/instances?limit=1000").json():
            where = (item[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
            answer = client.instance(*where)
            kept.add(_part(answer.body))
    assert [path.name for path in files if path.read_bytes() not in kept] == []
    assert lamelle("verify", "--data", tmp_path / "data").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["dicom/malformed", "wsi/bad"])
def test_what_is_broken_is_told_and_the_server_lives(
    node: Node, shared_data: Path, folder: str, tmp_path: Path
) -> None:
    """By STOW-RS: refused with a reason, or, where the standard lets an archive keep it, kept to the last bit."""
    files = [path for path in (shared_data / folder).rglob("*") if path.is_file()]
    outcomes = {}
    with Client(node.url) as client:
        for path in files:
            content = path.read_bytes()
            stored = put(client, content)
            if stored.kept:
                assert _part(client.instance(*stored.kept[0]).body) == content, path.name
            else:
                assert (stored.status, len(stored.failures)) == (409, 1), path.name
                assert stored.comments[0].partition(":")[0] in DOCUMENTED, stored.comments
            outcomes[path.name] = bool(stored.kept)
            assert healthy(client), path.name
    assert sum(outcomes.values()) <= (16 if folder == "dicom/malformed" else 0), outcomes
    said = lamelle("import", "--data", tmp_path / "data", folder_of(shared_data, folder))
    assert said.returncode == 1
    refused = [line for line in said.stdout.splitlines() if line.startswith(("refused: ", "conflict: "))]
    assert len(refused) >= len([name for name, kept in outcomes.items() if not kept and "DICOMDIR" not in name])
    assert {line.rpartition("(")[2].rstrip(")") for line in refused} <= DOCUMENTED
    assert lamelle("verify", "--data", tmp_path / "data").returncode == 0


def folder_of(shared_data: Path, folder: str) -> Path:
    return shared_data.joinpath(*folder.split("/"))


# -- vendors' slides ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_tiles_of_every_slide_are_the_sources_own(shared_data: Path, tmp_path: Path) -> None:
    """By the frames URL: coded data to the bit where the source is JPEG, pixels within 1 level of OpenSlide's."""
    said = lamelle("import", "--data", tmp_path / "data", *(shared_data / "wsi" / name for name in SLIDE_FOLDERS))
    assert "Traceback" not in said.stderr
    archive = Archive.open(ArchiveSettings(tmp_path / "data", reserve_bytes=0))
    slides = [item for item in imports.recent(archive.db, WHOLE, 500) if item.state == "stored"]
    slides = [item for item in slides if not item.path.endswith(".dcm")]
    archive.close()
    assert len(slides) >= 17
    compared, exact = set(), set()
    with Node(tmp_path / "data", environment=NO_RESERVE) as node, Client(node.url) as client:
        for item in slides:
            path = Path(item.path)
            assert item.study_uid and item.series_uid
            levels = _levels(client, item.study_uid, item.series_uid)
            if _jpeg_tiles_are_exact(client, path, levels):
                exact.add(path.name)
            if _pixels_are_near(client, path, levels):
                compared.add(path.name)
    assert {"CMU-1-Small-Region.svs", "CMU-0-small.tiff", "OrthancLogoJpeg.tiff", "small.svs"} <= exact, exact
    assert {"CMU-1-Small-Region.svs", "boxes.tiff", "pathml_small_HE_levels.tiff", "mask_test.tif"} <= compared, (
        compared
    )


SLIDE_FOLDERS = ("aperio", "tiff", "large_image", "ome", "openslide-python")


TURNED = {"test_orient2.tif", "test_orient3.tif", "test_orient4.tif"}
"""Stored like their siblings but for the Orientation tag, which OpenSlide heeds tile by tile."""


class Level:
    """One volume image of a converted slide, its frames by their URL."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self.columns, self.rows = int(self.value("00480006")), int(self.value("00480007"))
        self.tile_columns, self.tile_rows = int(self.value("00280011")), int(self.value("00280010"))
        self.samples, self.bits = int(self.value("00280002")), int(self.value("00280100"))
        self.count = int(self.value("00280008"))
        self.syntax = str(self.value("00083002")) if "00083002" in data else ""
        study, series, sop = (self.value(tag) for tag in ("0020000D", "0020000E", "00080018"))
        self.url = f"/dicomweb/studies/{study}/series/{series}/instances/{sop}"

    def value(self, tag: str) -> Any:
        return self._data[tag]["Value"][0]

    def frame(self, client: Client, number: int) -> bytes:
        answer = client.get(f"{self.url}/frames/{number}", "multipart/related; type=*/*; transfer-syntax=*")
        assert answer.status == 200, answer.body[:200]
        return _part(answer.body)

    def pixels(self, client: Client) -> Any:
        """(rows, columns, samples) of the whole level."""
        across = -(-self.columns // self.tile_columns)
        down = -(-self.rows // self.tile_rows)
        tiles = [self._decoded(self.frame(client, number + 1)) for number in range(across * down)]
        rows = [np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)]
        return np.vstack(rows)[: self.rows, : self.columns]

    def _decoded(self, data: bytes) -> Any:
        shape = (self.tile_rows, self.tile_columns, self.samples)
        if data[:2] == b"\xff\xd8" or data[:4] == b"\xff\x4f\xff\x51":
            return np.asarray(imagecodecs.imread(data)).reshape(shape)
        kind = np.uint8 if self.bits == 8 else np.dtype("<u2")
        return np.frombuffer(data, kind, count=int(np.prod(shape))).reshape(shape)


def _levels(client: Client, study: str, series: str) -> list[Level]:
    found = client.get(f"/dicomweb/studies/{study}/series/{series}/metadata").json()
    volumes = [data for data in found if data["00080008"]["Value"][2] == "VOLUME"]
    return sorted((Level(data) for data in volumes), key=lambda level: -level.columns)


def _jpeg_tiles_are_exact(client: Client, path: Path, levels: list[Level]) -> bool:
    """Whether there were JPEG tiles to compare; the scan of each must be the source's own."""
    with tifffile.TiffFile(path) as tiff, path.open("rb") as file:
        pages = [page for page in tiff.pages if page.is_tiled and page.compression == 7]
        pages = [page for page in pages if len(page.shape) == 3 or page.photometric == 1]
        for page in pages:
            if page.extrasamples or page.samplesperpixel == 2:  # an opacity, which DICOM has no place for
                return False
            [level] = [level for level in levels if (level.rows, level.columns) == page.shape[:2]]
            assert level.count == len(page.dataoffsets)
            for number, (offset, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True), 1):
                file.seek(offset)
                assert _scan(level.frame(client, number)) == _scan(file.read(size)), (path.name, number)
    return bool(pages)


def _scan(data: bytes) -> bytes:
    """A JPEG from its scan header to its end marker."""
    return data[data.index(b"\xff\xda") : data.rindex(b"\xff\xd9") + 2]


def _pixels_are_near(client: Client, path: Path, levels: list[Level]) -> bool:
    """Whether OpenSlide reads the file; every level must be within 1 of what it says."""
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError:
        return False
    if path.name in TURNED:
        return False
    with slide:
        for number, size in enumerate(slide.level_dimensions):
            [level] = [level for level in levels if (level.columns, level.rows) == size]
            theirs = np.asarray(slide.read_region((0, 0), number, size).convert("RGB")).astype(int)
            assert np.abs(level.pixels(client).astype(int) - theirs).max() <= 1, (path.name, number)
    return True


def _is_dicom(path: Path) -> bool:
    head = path.read_bytes()[:132]
    return head[128:] == b"DICM" or path.suffix.lower() == ".dcm" or head[:2] == b"\x08\x00"


def _part(body: bytes) -> bytes:
    """The one part of a multipart answer, or the body that is none."""
    if body[:2] != b"--":
        return body
    boundary = body.split(b"\r\n", 1)[0]
    return body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n" + boundary + b"--", 1)[0]
