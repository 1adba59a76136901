"""What the vendor tests share: a conversion into memory, read back by pydicom."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.encaps import get_frame

from lamelle.dicom.vendors import ConvertSettings, SiteRule, SlideFacts
from lamelle.dicom.vendors.conversion import ConvertedSlide, convert


@dataclass(frozen=True)
class Result:
    slide: ConvertedSlide
    files: dict[str, bytes]

    def dataset(self, name: str) -> Any:
        return pydicom.dcmread(io.BytesIO(self.files[name]))

    def frames(self, name: str) -> list[bytes]:
        """Frames through the Extended Offset Table, without padding."""
        ds = self.dataset(name)
        table = ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths
        count = int(ds.NumberOfFrames)
        return [get_frame(ds.PixelData, i, number_of_frames=count, extended_offsets=table) for i in range(count)]


Convert = Callable[..., Result]


@pytest.fixture
def converted() -> Convert:
    def run(path: Path, facts: SlideFacts | SiteRule | None = None, settings: ConvertSettings | None = None) -> Result:
        files: dict[str, bytes] = {}

        @contextmanager
        def sink(name: str) -> Iterator[io.BytesIO]:
            buffer = io.BytesIO()
            yield buffer
            files[name] = buffer.getvalue()

        return Result(convert(path, sink, facts, settings), files)

    return run
