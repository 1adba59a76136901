"""An archive in a temporary folder, a clock that stands still, and slides of a format made for tests."""

import base64
import importlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base.errors import Unavailable
from lamelle.base.ids import uid_from
from lamelle.doors.files import sandbox
from lamelle.doors.files.request import Request
from lamelle.doors.files.settings import FilesSettings
from lamelle.testing.archives import catalogue

READERS = '''
import base64, json, os, pathlib, signal
from lamelle.base.errors import Invalid

def convert(path, sink, facts, settings):
    """A slide is a JSON object of instance names and Part 10 bytes; `!` says what goes wrong after them."""
    text = path.read_bytes()
    slide = json.loads(text[text.index(b"{"):])
    wrong = slide.pop("!", None)
    for name, data in slide.items():
        with sink(name) as target:
            target.write(base64.b64decode(data))
    if wrong == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if wrong == "hangs":
        signal.pause()
    if wrong == "refuses":
        raise Invalid("bad_tile", "tile 7 is cut short")
    if wrong == "touches":
        pathlib.Path(path).write_bytes(text + b" ")
    if wrong == "facts":
        raise Invalid("facts", f"{facts.accession_number} {facts.block} {facts.institution}")
'''


@dataclass
class StillClock:
    """Time that passes when a test says so."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def part10(*names: str, rows: int = 4) -> bytes:
    """A small instance whose UIDs follow from the names: study, series, instance."""
    study, series, instance = (uid_from(*names[: 1 + n]) for n in range(3))
    data = Dataset()
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID = instance, study, series
    data.PatientName, data.PatientID, data.Modality = "SECRET^NAME", names[0], "OT"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.BitsAllocated, data.BitsStored, data.HighBit = rows, 4, 8, 8, 7
    data.PixelRepresentation = 0
    data.PixelData = bytes(range(rows * 4))
    data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def slide(case: str, number: int = 1, instances: int = 3, wrong: str | None = None) -> bytes:
    """A slide of several instances in the format the test reader knows."""
    content = {f"level-{n}": base64.b64encode(part10(case, str(number), str(n))).decode() for n in range(instances)}
    return b"II*\0" + json.dumps(content | ({"!": wrong} if wrong else {})).encode()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def archive(tmp_path: Path, clock: StillClock) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue(tmp_path / "data"), reserve_bytes=0), clock)
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilesSettings:
    code = tmp_path / "code"
    code.mkdir()
    (code / "lamelle_test_slides.py").write_text(READERS)
    monkeypatch.syspath_prepend(code)
    return FilesSettings(reader="lamelle_test_slides:convert", slides_at_once=2, stable_polls=2)


@pytest.fixture
def reader_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run in this process: for tests of what is around them, as starting a child takes its time."""

    def run(
        request: Request,
        sink: Callable[[str], sandbox.Sink],
        *,
        progress: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        if stop.is_set():
            raise Unavailable("import_stopped", "The import was stopped.")
        module, _, name = request.reader.partition(":")
        sizes = [0]

        @contextmanager
        def opened(name: str) -> Iterator[sandbox.Sink]:
            target = sink(name)
            yield target
            target.close()
            sizes[0] += 1000
            progress(sizes[0])

        getattr(importlib.import_module(module), name)(request.path, opened, request.facts, request.settings)

    monkeypatch.setattr(sandbox, "run", run)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def with_limits(settings: FilesSettings) -> Callable[..., FilesSettings]:
    return lambda **limits: replace(settings, limits=replace(settings.limits, **limits))
