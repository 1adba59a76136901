"""Every real file there is, in by STOW-RS and out by WADO-RS; and those that must be refused."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array
from tests.integration.dicomweb.conftest import Client, application

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.dicom import pixels
from lamelle.testing.archives import SetClock

BARE = {"content-type": "application/dicom"}
AS_STORED = {"accept": "application/dicom; transfer-syntax=*"}
# One archive takes so many files that hold the same instance in other bytes; the next one is opened for the rest.
pytestmark = pytest.mark.slow


class Archives:
    """Archives opened as they are needed: real test files often hold the same SOP Instance UID with other bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[tuple[Archive, Client]] = []

    def clients(self) -> Iterator[Client]:
        yield from (client for _, client in self._opened)
        while True:
            folder = self._folder / str(len(self._opened))
            archive = Archive.open(ArchiveSettings(data_dir=folder, reserve_bytes=0), SetClock())
            self._opened.append((archive, Client(application(archive))))
            yield self._opened[-1][1]

    def close(self) -> None:
        for archive, _ in self._opened:
            archive.close()


@pytest.fixture
def archives(tmp_path: Path) -> Iterator[Archives]:
    made = Archives(tmp_path)
    yield made
    made.close()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".md", ".json", ".txt"})


def lacks_a_name(data: bytes) -> bool:
    """Good DICOM that is no instance of a series: media directories, palettes, bare data sets."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
    names = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    return not all(dataset.get(name) for name in names)


@pytest.mark.parametrize("folder", ["dicom/ok", "wsi/dicom"])
def test_every_good_file_comes_back_byte_for_byte(archives: Archives, shared_data: Path, folder: str) -> None:
    refused = []
    for path in files(shared_data / folder):
        data = path.read_bytes()
        for client in archives.clients():
            answer = client.post("/studies", data, BARE)
            conflict = answer.status_code == 409 and b"[273]" in answer.content
            if not conflict:
                break
        if answer.status_code != 200:
            refused.append((path.name, data))
            continue
        url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        assert client.get(url, AS_STORED).content == data, path.name
        assert client.get(f"{url}/metadata").status_code == 200, path.name
        explicit = client.get(url, {"accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"})
        assert explicit.status_code == 200, (path.name, explicit.text)
        assert pydicom.dcmread(io.BytesIO(explicit.content), stop_before_pixels=True).SOPInstanceUID
        for what in ("rendered", "thumbnail", "frames/1", "frames/1/rendered", "pixeldata"):
            found = client.get(f"{url}/{what}")
            none = found.status_code == 404 and found.json()["code"] in {"no_pixels", "no_thumbnail"}
            assert found.status_code == 200 or none, (path.name, what, found.text)
    assert all(lacks_a_name(data) for _, data in refused), [name for name, data in refused if not lacks_a_name(data)]


def test_every_bad_file_gets_a_clear_answer(archives: Archives, shared_data: Path) -> None:
    client = next(archives.clients())
    for path in files(shared_data / "dicom/malformed"):
        answer = client.post("/studies", path.read_bytes(), BARE)
        assert answer.status_code in {200, 409}, path.name
        if answer.status_code == 409:
            said = answer.json()
            failed = said.get("00081198", said.get("0008119A"))
            assert failed["Value"][0]["00081197"]["Value"], path.name
            continue
        url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        for what in ("", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/pixeldata"):
            found = client.get(url + what, {"accept": "*/*"})
            assert found.status_code in {200, 400, 404, 406, 413, 501}, (path.name, what, found.text)
    assert client.get("/studies").status_code == 200


def test_first_frames_of_real_files_are_as_pydicom_decodes_them(shared_data: Path) -> None:
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted((shared_data / "dicom/ok").rglob("*")):
            if not path.is_file():
                continue
            dataset = pydicom.dcmread(path, force=True)
            syntax = dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")
            if "PixelData" not in dataset:
                continue
            form, count = pixels.pixel_format(dataset), int(dataset.get("NumberOfFrames") or 1)
            native = syntax in pixels.NATIVE
            data = dataset.PixelData if native else next(generate_frames(dataset.PixelData, number_of_frames=count))
            ours = pixels.decode(data, syntax, form)
            try:
                theirs = pixel_array(dataset, index=0, raw=native)
            except Exception:  # noqa: BLE001 - pydicom lacks some plugins here
                continue
            if theirs.shape != ours.shape or (form.photometric.startswith("YBR_FULL") and syntax.endswith(".5")):
                continue
            assert np.abs(theirs.astype(float) - ours).max() <= 1, path.name
            compared += 1
    assert compared > 150
