"""What is looked at of a slide: a small picture of all of it, sharp fields of its tissue, the photograph of its glass.

Everything is read tile by tile through the archive; what is held at once does not grow with the slide.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamelle.access.model import WHOLE
from lamelle.archive import decoding, thumbnails
from lamelle.archive.model import InstanceRef
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, Unavailable, Unsupported
from lamelle.dicom import render, slide
from lamelle.dicom.render import Look, Picture
from lamelle.dicom.slide import Image, Json, Level, Piece, Pyramid

Mask = NDArray[np.bool_]

SMALL_UM: Final = 4.0
"""A pixel of the small picture at the least: a nucleus is two."""
SMALL_SIDE: Final = 1536
FIELD_UM: Final = 0.5
"""A pixel of a field at the least: what a 20x objective resolves, and a 40x one too when it is halved."""
MOST_TILES: Final = 20_000
"""Of the level the small picture is made of: a slide without small levels would take minutes."""
SHORT_SIDE_UM: Final = 25_000.0
"""Of the glass: the scale of overviews that state none. Source: ISO 8037-1."""


@dataclass(frozen=True, slots=True)
class Small:
    """The whole slide, (rows, columns, 3); `there` where it has tiles; `um` the side of a pixel."""

    picture: Picture
    there: Mask
    um: float


@dataclass(frozen=True, slots=True)
class Field:
    """One tile near FIELD_UM a pixel."""

    picture: Picture
    um: float


class Pixels:
    """One series of a slide, its largest pyramid; fields are tiles of `fields`, counted from the top left.

    Raises: Invalid("not_a_slide"), Unsupported("not_bright_field"), NotFound, Gone.
    """

    def __init__(self, archive: Archive, study_uid: str, series_uid: str) -> None:
        self._archive = archive
        found = list(archive.retrieve.metadata(WHOLE, study_uid, series_uid))
        objects: list[Json] = [json.loads(text) for _, text in found]
        self._refs: dict[str, InstanceRef] = {ref.sop_uid: ref for ref, _ in found}
        self._looks: dict[str, Look] = {}
        self.slide = slide.read(objects)
        self.pyramid: Pyramid = self.slide.pyramids[0]
        if any(path.rgb for path in self.pyramid.paths):
            raise Unsupported("not_bright_field", "only bright-field slides are judged")
        spacing = self.base.spacing
        self.spacing_um = 500 * (spacing[0] + spacing[1]) if spacing else 0.0
        """Of the largest level; 0 where the slide does not say."""
        self.objective = self.pyramid.objective or 0.0
        self.unreadable: Counter[str] = Counter()
        """Tiles that could not be decoded, by why."""

    # -- sizes -----------------------------------------------------------------------------------------------------

    @property
    def base(self) -> Level:
        return self.pyramid.levels[0]

    @property
    def um(self) -> float:
        """A pixel of the largest level, taken for a 20x objective's where nobody says."""
        return self.spacing_um or FIELD_UM

    @property
    def fields(self) -> Level:
        """The smallest level that shows what a 20x objective resolves."""
        return self.pyramid.levels[self._fields]

    @property
    def _fields(self) -> int:
        fine = [n for n, level in enumerate(self.pyramid.levels) if self._um(level) <= FIELD_UM * 1.2]
        return fine[-1] if fine else 0

    def _um(self, level: Level) -> float:
        return self.um * self.base.width / level.width

    @property
    def field_um(self) -> tuple[float, float]:
        """Width and height of a field on the slide."""
        um = self._um(self.fields)
        return self.fields.tile_width * um, self.fields.tile_height * um

    # -- pictures --------------------------------------------------------------------------------------------------

    def small(self) -> Small:
        """The slide as one picture. Raises: Unsupported("no_small_level")."""
        long_um = self.um * max(self.base.width, self.base.height)
        side = min(SMALL_SIDE, long_um / SMALL_UM)
        fine = [n for n, level in enumerate(self.pyramid.levels) if max(level.width, level.height) >= side]
        number = fine[-1] if fine else 0
        level = self.pyramid.levels[number]
        if level.columns * level.rows > MOST_TILES:
            raise Unsupported("no_small_level", "the slide has no level small enough to be looked at as a whole")
        scale = min(1.0, side / max(level.width, level.height))
        placed = (
            (column * level.tile_width, row * level.tile_height, self._pieces(number, column, row))
            for row in range(level.rows)
            for column in range(level.columns)
        )
        picture, there = self._composed(level.images[0], placed, scale)
        return Small(picture, there, self._um(level) / scale)

    def field(self, column: int, row: int, plane: int | None = None) -> Field | None:
        """One tile of `fields`, in its middle plane; None where there is none."""
        level = self.fields
        um = self._um(level)
        scale = 0.5 if um <= FIELD_UM * 0.6 else 1.0
        pieces = self._pieces(self._fields, column, row, plane)
        if not pieces:
            return None
        wide = min(level.tile_width, level.width - column * level.tile_width)
        high = min(level.tile_height, level.height - row * level.tile_height)
        if len(pieces) == 1 and (pieces[0].x, pieces[0].y) == (0, 0):
            picture = self._tile(pieces[0], scale)
        else:
            picture, _ = self._composed(level.images[0], [(0, 0, pieces)], scale, (high, wide))
        if picture is None:
            return None
        return Field(picture[: round(high * scale), : round(wide * scale)], um / scale)

    def overview(self) -> Small | None:
        """The photograph of the glass; None where the series has none that can be read."""
        found = self.slide.overview
        if found is None or max(found.width, found.height) > 1 << 15:
            return None
        scale = min(1.0, SMALL_SIDE / max(found.width, found.height))
        placed = (
            (column * found.tile_width, row * found.tile_height, found.pieces(column, row, 0, 0))
            for row in range(found.rows)
            for column in range(found.columns)
        )
        try:
            picture, there = self._composed(found, placed, scale)
        except LamelleError:
            return None
        um = 1000 * found.spacing[0] if found.spacing else SHORT_SIDE_UM / min(found.width, found.height)
        return Small(picture, there, um / scale)

    def lengths(self) -> NDArray[np.int64]:
        """Bytes of every stored tile of `fields` (rows, columns), -1 where there is none."""
        level = self.fields
        out = np.full((level.rows, level.columns), -1, np.int64)
        for row in range(level.rows):
            for column in range(level.columns):
                pieces = self._pieces(self._fields, column, row)
                if pieces:
                    out[row, column] = sum(self._opened(piece.sop_uid).length(piece.frame) for piece in pieces)
        return out

    # -- tiles -----------------------------------------------------------------------------------------------------

    def _pieces(self, level: int, column: int, row: int, plane: int | None = None) -> tuple[Piece, ...]:
        middle = (len(self.pyramid.planes_um) - 1) // 2
        return self.pyramid.tile(level, column, row, middle if plane is None else plane)[1]

    def _composed(
        self,
        image: Image,
        placed: Any,
        scale: float,
        size: tuple[int, int] | None = None,
    ) -> tuple[Picture, Mask]:
        """A picture of tiles; `placed` gives the left and top of each with its pieces."""
        height, width = size or (image.height, image.width)
        shape = max(1, round(height * scale)), max(1, round(width * scale))
        canvas, there = np.full((*shape, 3), 255, np.uint8), np.zeros(shape, np.bool_)
        for left, top, pieces in placed:
            for piece in pieces:
                tile = self._tile(piece, scale)
                if tile is None:
                    continue
                x, y = left + piece.x, top + piece.y
                x0, y0 = round(x * scale), round(y * scale)
                x1, y1 = round((x + image.tile_width) * scale), round((y + image.tile_height) * scale)
                cut = render.scaled_to(tile, max(1, x1 - x0), max(1, y1 - y0))
                cut = cut[max(0, -y0) : shape[0] - y0, max(0, -x0) : shape[1] - x0]
                x0, y0 = max(0, x0), max(0, y0)
                canvas[y0 : y0 + cut.shape[0], x0 : x0 + cut.shape[1]] = cut
                there[y0 : y0 + cut.shape[0], x0 : x0 + cut.shape[1]] = True
        return canvas, there

    def _tile(self, piece: Piece, scale: float) -> Picture | None:
        """One frame in colour, smaller when asked; None when it can't be decoded."""
        opened, look = self._opened(piece.sop_uid), self._look(piece.sop_uid)
        try:
            data = opened.frame(piece.frame)
            samples = decoding.decode_small(data, opened.transfer_syntax, look.form, scale)
        except Unavailable:
            raise
        except LamelleError as error:
            self.unreadable[error.code] += 1
            return None
        picture = render.picture(samples, opened.transfer_syntax, look)
        if picture.ndim == 2:
            picture = np.stack([picture] * 3, axis=-1)
        if scale < 1 and picture.shape[:2] == (look.form.rows, look.form.columns):
            rows, columns = max(1, round(look.form.rows * scale)), max(1, round(look.form.columns * scale))
            picture = render.scaled_to(picture, columns, rows)
        return picture

    def _opened(self, sop_uid: str) -> Any:
        ref = self._refs[sop_uid]
        return self._archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, sop_uid)

    def _look(self, sop_uid: str) -> Look:
        if sop_uid not in self._looks:
            ref = self._refs[sop_uid]
            said = thumbnails.header(self._archive, ref)
            self._looks[sop_uid] = render.with_vr(render.look(said), ref.pixel_vr)
        return self._looks[sop_uid]
