"""Samples -> a picture people can look at: grey scale pipeline, palette, colour, size, file format.

Decoding is in `dicom.pixels`, colour profiles in `dicom.icc`. Source: PS3.4 N.2, PS3.3 C.7.6.3, C.11.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from lamelle.base.errors import Invalid, TooLarge, Unsupported
from lamelle.dicom import icc, pixels
from lamelle.dicom.pixels import PixelFormat, Samples

Picture = NDArray[Any]
Function = Literal["linear", "linear-exact", "sigmoid"]
FUNCTIONS: Final[tuple[Function, ...]] = ("linear", "linear-exact", "sigmoid")
SIDE_LIMIT: Final = 16384
ENCODERS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}


@dataclass(frozen=True, slots=True)
class Window:
    """Window Center, Width and VOI LUT Function. Source: PS3.3 C.11.2.1.2."""

    center: float
    width: float
    function: Function = "linear"


@dataclass(frozen=True, slots=True)
class Viewport:
    """Output box in pixels and the source region (0-based, top left) it shows; a negative extent flips.

    Source: PS3.18 8.3.5.1.3.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    region_width: float | None = None
    region_height: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What an instance says about the presentation of its samples."""

    form: PixelFormat
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    modality_lut: "Table | None" = None
    voi_lut: "Table | None" = None
    palette: "tuple[Table, Table, Table] | None" = None
    inverse: bool = False
    profile: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A lookup table: `values[0]` is for `first`; inputs outside take the end values."""

    first: int
    values: NDArray[np.uint16]
    bits: int

    def map(self, samples: Samples) -> NDArray[np.uint16]:
        index = np.clip(samples.astype(np.int64) - self.first, 0, len(self.values) - 1)
        return self.values[index]


def look(dataset: Dataset, frame: int = 1) -> Look:
    """Read it from a header, for a 1-based frame (functional groups may differ by frame).

    Raises: as `pixels.pixel_format`.
    """
    form = pixels.pixel_format(dataset)
    modality = _group(dataset, "PixelValueTransformationSequence", frame) or dataset
    voi = _group(dataset, "FrameVOILUTSequence", frame) or dataset
    inverse = form.photometric == "MONOCHROME1" or str(dataset.get("PresentationLUTShape") or "") == "INVERSE"
    return Look(
        form=form,
        slope=_float(modality.get("RescaleSlope"), 1.0) or 1.0,
        intercept=_float(modality.get("RescaleIntercept"), 0.0),
        windows=_windows(voi),
        modality_lut=_lut(dataset, "ModalityLUTSequence", signed=form.signed),
        voi_lut=_lut(voi, "VOILUTSequence", signed=form.signed),
        palette=_palette(dataset) if form.photometric == "PALETTE COLOR" else None,
        inverse=inverse,
        profile=_profile(dataset),
    )


def picture(samples: Samples, transfer_syntax: str, how: Look, window: Window | None = None) -> Picture:
    """Samples of one frame as 8-bit grey (rows, columns) or RGB (rows, columns, 3)."""
    form = how.form
    if how.palette is not None and samples.ndim == 2:
        channels = [_to8(table.map(samples), table.bits) for table in how.palette]
        return np.stack(channels, axis=-1)
    if samples.ndim == 3:
        colour = samples[..., :3]
        if colour.dtype != np.uint8:
            colour = _to8(colour.astype(np.float64), form.bits_stored)
        if pixels.photometric_of(transfer_syntax, form).startswith("YBR"):
            return _ybr_to_rgb(colour)
        return np.ascontiguousarray(colour)
    return _grey(samples, how, window)


def common_window(frames: Sequence[Samples], how: Look) -> Window | None:
    """One window for frames shown one after the other when nothing says one: brightness must not jump."""
    form = how.form
    told = how.windows or how.voi_lut is not None or how.modality_lut is not None or how.palette is not None
    if told or form.samples > 1 or form.bits_stored <= 8 or form.float_kind:
        return None
    frames = [_stored_bits(frame, form) if form.bits_stored < form.bits_allocated else frame for frame in frames]
    low, high = min(int(frame.min()) for frame in frames), max(int(frame.max()) for frame in frames)
    ends = (low * how.slope + how.intercept, high * how.slope + how.intercept)
    return Window(sum(ends) / 2, max(abs(ends[1] - ends[0]), 1.0), "linear-exact")


def _grey(samples: Samples, how: Look, window: Window | None) -> Picture:
    form = how.form
    if form.bits_allocated == 1:
        out = np.where(samples > 0, np.uint8(255), np.uint8(0))
        return np.asarray(255 - out if how.inverse else out)
    if not form.float_kind and form.bits_stored < form.bits_allocated:
        samples = _stored_bits(samples, form)
    values: NDArray[Any]
    if how.modality_lut is not None:
        values = how.modality_lut.map(samples).astype(np.float64)
    else:
        values = samples.astype(np.float64) * how.slope + how.intercept
    if window is None and how.windows:
        window = how.windows[0]
    if window is not None:
        scaled = _windowed(values, window)
    elif how.voi_lut is not None:
        scaled = how.voi_lut.map(values) * (255.0 / ((1 << how.voi_lut.bits) - 1))
    elif form.bits_stored == 8 and not form.signed and how.slope == 1 and how.intercept == 0:
        scaled = values
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        scaled = (values - low) * (255.0 / ((high - low) or 1.0))
    out = np.clip(np.nan_to_num(scaled), 0, 255).round().astype(np.uint8)
    return np.asarray(255 - out if how.inverse else out)


def _stored_bits(samples: Samples, form: PixelFormat) -> Samples:
    """Without what lies above Bits Stored (old overlays)."""
    kept: Samples = samples & np.array((1 << form.bits_stored) - 1).astype(samples.dtype)
    if not form.signed:
        return kept
    sign = 1 << (form.bits_stored - 1)
    return np.where(kept & sign, kept.astype(np.int64) - (sign << 1), kept)


def _windowed(values: NDArray[Any], window: Window) -> Any:
    """Source: PS3.3 C.11.2.1.2.1 (linear), C.11.2.1.3.1 (sigmoid), C.11.2.1.3.2 (linear exact)."""
    center, width = window.center, window.width
    if window.function == "sigmoid":
        return 255.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if window.function == "linear":
        center, width = center - 0.5, width - 1.0
        if width <= 0:
            return np.where(values <= center, 0.0, 255.0)
    return ((values - center) / width + 0.5) * 255.0


def _to8(values: NDArray[Any], bits: int) -> Picture:
    if bits <= 8:
        return np.asarray(np.clip(values, 0, 255).astype(np.uint8))
    return np.asarray(np.clip(values / float((1 << bits) - 1) * 255.0, 0, 255).round().astype(np.uint8))


def _ybr_to_rgb(ybr: Picture) -> Picture:
    """Source: PS3.3 C.7.6.3.1.2 (YBR_FULL, ITU-R BT.601)."""
    y, cb, cr = (ybr[..., n].astype(np.float32) for n in range(3))
    cb -= 128
    cr -= 128
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.asarray(np.clip(rgb, 0, 255).round().astype(np.uint8))


def sized(image: Picture, viewport: Viewport | None) -> Picture:
    """Cut, flip and scale into the box, the aspect ratio kept.

    Raises: Invalid("viewport"), TooLarge("viewport").
    """
    if viewport is None:
        return image
    rows, columns = image.shape[:2]
    region_width = columns - viewport.left if viewport.region_width is None else viewport.region_width
    region_height = rows - viewport.top if viewport.region_height is None else viewport.region_height
    left, right = round(viewport.left), round(viewport.left + abs(region_width))
    top, bottom = round(viewport.top), round(viewport.top + abs(region_height))
    left, top, right, bottom = max(0, left), max(0, top), min(columns, right), min(rows, bottom)
    if right <= left or bottom <= top or viewport.width < 1 or viewport.height < 1:
        raise Invalid("viewport", "the region lies outside of the image or is empty")
    if max(viewport.width, viewport.height) > SIDE_LIMIT:
        raise TooLarge("viewport", f"a viewport side is over {SIDE_LIMIT} pixels")
    part = image[top:bottom, left:right]
    if region_width < 0:
        part = part[:, ::-1]
    if region_height < 0:
        part = part[::-1]
    height, width = part.shape[:2]
    scale = min(viewport.width / width, viewport.height / height)
    return scaled_to(part, max(1, round(width * scale)), max(1, round(height * scale)))


def scaled_to(image: Picture, width: int, height: int) -> Picture:
    """Resample to a size: area average down, bicubic up."""
    if (height, width) == image.shape[:2]:
        return np.ascontiguousarray(image)
    source = Image.fromarray(np.ascontiguousarray(image))
    smaller = width < source.width or height < source.height
    method = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(source.resize((width, height), method, reducing_gap=2.0 if smaller else None))


def within(image: Picture, side: int) -> Picture:
    """No side longer than `side`; never enlarged."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    return image if scale >= 1 else scaled_to(image, max(1, round(width * scale)), max(1, round(height * scale)))


def encoded(
    images: Sequence[Picture], media_type: str, *, quality: int = 90, profile: bytes | None = None, frame_ms: float = 0
) -> bytes:
    """One picture as JPEG, PNG or GIF; several as an animated GIF of `frame_ms` a frame.

    Raises: Unsupported("media_type").
    """
    kind = ENCODERS.get(media_type)
    if kind is None or (len(images) > 1 and kind != "GIF"):
        raise Unsupported("media_type", f"{len(images)} pictures are not written as {media_type}")
    pictures = [Image.fromarray(np.ascontiguousarray(image)) for image in images]
    out = io.BytesIO()
    if kind == "JPEG":
        subsampling = 0 if quality >= 90 else 2
        pictures[0].save(out, kind, quality=quality, subsampling=subsampling, icc_profile=profile or b"")
    elif kind == "PNG":
        pictures[0].save(out, kind, compress_level=3, icc_profile=profile or b"")
    elif len(pictures) == 1:
        pictures[0].save(out, kind)
    else:
        duration = max(20, round(frame_ms)) if frame_ms else 100
        pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=duration, loop=0)
    return out.getvalue()


def refitted(data: bytes, viewport: Viewport) -> bytes:
    """A JPEG made here, into a smaller box."""
    image = np.asarray(Image.open(io.BytesIO(data)))
    return encoded(
        [sized(image, replace(viewport, left=0.0, top=0.0, region_width=None, region_height=None))], "image/jpeg"
    )


def with_vr(how: Look, vr: str) -> Look:
    """The look for pixel data of a VR, when the header was read without its pixel data."""
    return replace(how, form=pixels.with_vr(how.form, vr))


def coloured(image: Picture, how: Look, mode: icc.Mode, convert: icc.Convert) -> tuple[Picture, bytes | None]:
    """Colour management of a picture; grey has none."""
    return icc.applied(image, how.profile, mode, convert) if image.ndim == 3 else (image, None)


def _group(dataset: Dataset, keyword: str, frame: int) -> Dataset | None:
    """The functional group macro of a frame, its own or the shared one. Source: PS3.3 C.7.6.16."""
    for sequence, index in (("PerFrameFunctionalGroupsSequence", frame - 1), ("SharedFunctionalGroupsSequence", 0)):
        items = dataset.get(sequence)
        if items and 0 <= index < len(items):
            macro = items[index].get(keyword)
            if macro:
                item: Dataset = macro[0]
                return item
    return None


def _float(value: Any, default: float) -> float:
    try:
        number = float(value[0] if isinstance(value, Sequence) and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return default
    return number if np.isfinite(number) else default


def _windows(dataset: Dataset) -> tuple[Window, ...]:
    centers, widths = _floats(dataset.get("WindowCenter")), _floats(dataset.get("WindowWidth"))
    name = str(dataset.get("VOILUTFunction") or "LINEAR").strip().lower().replace("_", "-")
    function: Function = next((known for known in FUNCTIONS if known == name), "linear")
    return tuple(
        Window(center, width, function) for center, width in zip(centers, widths, strict=False) if width >= 1e-9
    )


def _floats(value: Any) -> list[float]:
    if value is None:
        return []
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    out = []
    for item in values:
        try:
            out.append(float(item))
        except (TypeError, ValueError):
            return []
    return out


def _lut(dataset: Dataset, keyword: str, *, signed: bool) -> Table | None:
    items = dataset.get(keyword)
    if not items:
        return None
    return _table(items[0].get("LUTDescriptor"), items[0].get("LUTData"), signed=signed)


def _table(descriptor: Any, data: Any, *, signed: bool) -> Table | None:
    """Source: PS3.3 C.11.1.1.1 (descriptor: entries, first value, bits of an entry)."""
    try:
        entries, first, bits = (int(number) for number in descriptor)
    except (TypeError, ValueError):
        return None
    entries = entries or 65536
    if signed and first > 32767:
        first -= 65536
    bits = bits if 1 <= bits <= 16 else 16
    if isinstance(data, bytes):
        values = np.frombuffer(data[: len(data) // 2 * 2], "<u2")
        if len(values) < entries <= len(data):
            values = np.frombuffer(data, np.uint8).astype(np.uint16)
    else:
        try:
            values = np.asarray([int(v) & 0xFFFF for v in data], np.uint16)
        except (TypeError, ValueError):
            return None
    values = values[:entries]
    return Table(first, values.astype(np.uint16), bits) if len(values) else None


def _palette(dataset: Dataset) -> tuple[Table, Table, Table] | None:
    tables = []
    for colour in ("Red", "Green", "Blue"):
        descriptor = dataset.get(f"{colour}PaletteColorLookupTableDescriptor")
        segments = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if data is None and segments is not None:
            data = _unsegmented(segments)
        table = _table(descriptor, data, signed=False)
        if table is None:
            return None
        # Many writers say 16 bits and use 8.
        used = int(table.values.max())
        tables.append(replace(table, bits=16 if used > 255 else 8))
    widest = max(table.bits for table in tables)
    red, green, blue = (replace(table, bits=widest) for table in tables)
    return red, green, blue


def _unsegmented(data: bytes) -> bytes:
    """Source: PS3.3 C.7.9.2. Indirect segments are resolved against the segments before them."""
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist()
    out: list[int] = []

    def run(at: int, count: int) -> int:
        for _ in range(count):
            if at + 2 > len(words) or len(out) > 65536:
                break
            kind, length = words[at], words[at + 1]
            if kind == 0:
                out.extend(words[at + 2 : at + 2 + length])
                at += 2 + length
            elif kind == 1 and at + 2 < len(words):
                start, end = (out[-1] if out else 0), words[at + 2]
                out.extend(round(start + (end - start) * (n + 1) / length) for n in range(min(length, 65536)))
                at += 3
            elif kind == 2 and at + 3 < len(words):
                target = (words[at + 2] | words[at + 3] << 16) // 2
                if target < at:
                    run(target, min(length, 4096))
                at += 4
            else:
                break
        return at

    run(0, len(words))
    return np.asarray(out[:65536], "<u2").tobytes()


def _profile(dataset: Dataset) -> bytes | None:
    value = dataset.get("ICCProfile")
    paths = dataset.get("OpticalPathSequence")
    if not value and paths:
        value = paths[0].get("ICCProfile")
    return bytes(value) if isinstance(value, bytes) and value else None
