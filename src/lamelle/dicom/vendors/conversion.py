"""A vendor's file in, DICOM instances out, one after the other.

The formats themselves are in their own files; see `READERS`.
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from lamelle.base.errors import Invalid, LamelleError, Unsupported
from lamelle.dicom.vendors import dataset, decoded, pyramid, tiles, writer
from lamelle.dicom.vendors.dataset import Identity, Part
from lamelle.dicom.vendors.facts import SiteRule, SlideFacts
from lamelle.dicom.vendors.settings import ConvertSettings
from lamelle.dicom.vendors.slide import FlatImage, Flavor, Level, Slide
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.dicom.vendors.writer import BinaryWriter

READERS = {
    "svs": "svs", "ndpi": "ndpi", "tiff": "generic", "ome-tiff": "ome", "philips-tiff": "philips", "isyntax": "isyntax",
    "mrxs": "decoded", "bif": "decoded", "scn": "decoded", "czi": "decoded",
}  # fmt: skip
"""format: the module whose `read(path) -> Slide` reads it"""

Sink = Callable[[str], AbstractContextManager[BinaryWriter]]


@dataclass(frozen=True, slots=True)
class WrittenInstance:
    """One instance as written; `size` in bytes."""

    name: str
    sop_instance_uid: str
    flavor: str
    columns: int
    rows: int
    frames: int
    size: int
    transfer_syntax: str
    derived: bool


@dataclass(frozen=True, slots=True)
class ConvertedSlide:
    """What came of a file; `warnings` are stable words for what is not as it should be."""

    format: str
    study_uid: str
    series_uid: str
    container_id: str
    barcode: str
    instances: tuple[WrittenInstance, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    threads: int
    jpeg_quality: int
    tile_size: int
    temp_dir: str | None
    open: ExitStack
    warnings: list[str] = field(default_factory=list)

    def scratch(self) -> BinaryIO:
        return self.open.enter_context(tempfile.TemporaryFile(dir=self.temp_dir, prefix="lamelle-"))

    def warn(self, code: str) -> None:
        if code not in self.warnings:
            self.warnings.append(code)


def open_slide(path: Path) -> Slide:
    """The slide in a vendor's file; close it. Raises: Invalid, Unsupported, each with a stable code."""
    kind = sniff(path)
    if kind is None:
        raise Invalid("not_a_slide", "the file is of no slide format known here")
    if kind not in READERS:
        raise Unsupported("format_not_supported", f"files of format {kind} are not converted")
    reader = import_module(f"lamelle.dicom.vendors.{READERS[kind]}")
    try:
        return _read(reader.read, path, kind)
    except LamelleError:
        raise
    except OSError as exc:
        raise Invalid("unreadable", f"the file cannot be read ({type(exc).__name__})") from exc


DECODABLE = frozenset({
    "jpeg2000_subsampled", "jpeg2000_ycbcr", "contradictory_colors", "tile_mismatch", "jpeg_process", "planar_jpeg",
    "ndpi_intervals",
})  # fmt: skip
"""codes of tiles that DICOM cannot take as they are, but that OpenSlide may decode"""


def _read(reader: Callable[[Path], Slide], path: Path, kind: str) -> Slide:
    try:
        return reader(path)
    except Unsupported as exc:
        if exc.code not in DECODABLE:
            raise
        try:
            slide = decoded.read(path, kind)
        except Invalid:
            raise exc from None
        return replace(slide, warnings=(*slide.warnings, f"decoded:{exc.code}"))


def convert(
    path: Path,
    sink: Sink,
    facts: SlideFacts | SiteRule | None = None,
    settings: ConvertSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ConvertedSlide:
    """Write every instance of the slide in `path` through `sink(name)`, label and overview first.

    A rule in place of `facts` is asked once the slide's barcode is known. `progress(done, total)` is called after each
    instance. The same file, facts and settings give the same bytes.
    Raises: Invalid, Unsupported; what was written to the sink until then is to be dropped.
    """
    settings = settings or ConvertSettings()
    with ExitStack() as stack:
        work = _Work(settings.threads, settings.jpeg_quality, settings.tile_size, settings.temp_dir, stack)
        found = stack.enter_context(open_slide(path))
        facts = facts.facts(path.stem, found.barcode) if isinstance(facts, SiteRule) else facts or SlideFacts()
        slide = _sized(found, facts, settings)
        if settings.build_levels:
            levels = pyramid.completed(slide.levels, slide.planes * len(slide.channels))
            slide = replace(slide, levels=tuple(levels))
        names = Identity.of(slide, facts, path.stem)
        parts: list[FlatImage | Level] = [*slide.images, *slide.levels]
        written = []
        for number, image in enumerate(parts, 1):
            part = _part(slide, names, image, number, work)
            header = dataset.build(slide, facts, names, part)
            with sink(part.name) as target:
                size = writer.write(header, part.frames, target)
            written.append(_written(names, part, size))
            if progress is not None:
                progress(number, len(parts))
        unknown = () if slide.acquired or facts.acquired else ("acquisition_time_unknown",)
        warnings = (*slide.warnings, *unknown, *work.warnings)
        return ConvertedSlide(
            slide.format, names.study, names.series, names.container, slide.barcode, tuple(written), warnings
        )


def _sized(slide: Slide, facts: SlideFacts, settings: ConvertSettings) -> Slide:
    base = slide.levels[0]
    if base.mm_per_pixel[0] > 0:
        return slide
    um = facts.um_per_pixel or settings.assumed_um_per_pixel
    levels = tuple(
        replace(one, mm_per_pixel=pyramid.spacing((base.width, base.height), (one.width, one.height), um / 1000))
        for one in slide.levels
    )
    warnings = slide.warnings if facts.um_per_pixel else (*slide.warnings, "pixel_size_assumed")
    return replace(slide, levels=levels, warnings=warnings)


def _part(slide: Slide, names: Identity, image: FlatImage | Level, number: int, work: _Work) -> Part:
    frames = tiles.ready(image.frames, work)
    base = slide.levels[0]
    if isinstance(image, Level):
        index = slide.levels.index(image)
        history = slide.history if image.derived else ()
        source = ""
        if image.note:
            top = tiles.ready(base.frames, work)
            history = (*history, (top.encoding.method, dataset.ratio(top))) if top.encoding.lossy else history
            source = names.instance("level-0")
        return Part(f"level-{index}", number, Flavor.VOLUME, image, frames, image.mm_per_pixel, history, source)
    scale = dataset.SLIDE_WIDTH_MM / min(image.width, image.height)
    mm = (scale, scale)
    if image.flavor is Flavor.THUMBNAIL:
        width, height = (base.mm_per_pixel[0] * base.width, base.mm_per_pixel[1] * base.height)
        mm = (width / image.width, height / image.height)
    history = slide.history if image.derived else ()
    return Part(image.flavor.value.lower(), number, image.flavor, image, frames, mm, history)


def _written(names: Identity, part: Part, size: int) -> WrittenInstance:
    return WrittenInstance(
        part.name, names.instance(part.name), part.flavor.value, part.image.width, part.image.height,
        len(part.frames.lengths), size, part.frames.encoding.transfer_syntax, part.image.derived,
    )  # fmt: skip
