"""Wide JPEG frames cut into narrower ones without decoding: libjpeg-turbo copies the coefficients, only their entropy
coding is made anew.

libjpeg-turbo is no Python package: on Debian `libturbojpeg0`. Where to cut is decided by the format.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from turbojpeg import TurboJPEG

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import jpeg, tiles
from lamelle.dicom.vendors.slide import Frames, Work

WIDEST = 16384
"""Pixels of an interval that is cut: libjpeg-turbo holds its coefficients, six bytes a pixel."""
NAMES = ("libturbojpeg.so.0", "libturbojpeg.0.dylib", "turbojpeg.dll")


@cache
def library() -> Any:
    """libjpeg-turbo, None where it is not installed."""
    for name in NAMES:
        try:
            return TurboJPEG(name)
        except (OSError, AttributeError):  # not there, or too old to cut
            continue
    return None


class Cropped:
    """The frames of `wide`, each cut into columns of `width` pixels, which must divide it into whole coded units."""

    def __init__(self, wide: Frames, width: int) -> None:
        self.encoding, self.rows, self.columns = wide.encoding, wide.rows, width
        self._wide = wide
        self._done: Frames | None = None

    def encode(self, work: Work) -> Frames:
        if self._done is None:
            self._done = tiles.spooled(self._tasks(), self, work)
        return self._done

    def _tasks(self) -> Iterator[Callable[[], Sequence[bytes]]]:
        for pieces in self._wide.pieces():
            yield partial(self._cut, b"".join(pieces))

    def _cut(self, frame: bytes) -> Sequence[bytes]:
        places = [(x, 0, self.columns, self.rows) for x in range(0, self._wide.columns, self.columns)]
        try:
            cut: list[bytes] = library().crop_multiple(frame, places, copynone=True)
        except (OSError, ValueError) as exc:
            raise Invalid("bad_tile", "libjpeg-turbo cannot cut a tile") from exc
        for one in cut:
            header = jpeg.parse(one)
            if (header.width, header.height) != (self.columns, self.rows):
                raise Invalid("bad_tile", "libjpeg-turbo cut a tile of another size")
        return cut
