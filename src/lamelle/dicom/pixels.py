"""Encoded frame -> samples, for every transfer syntax an archive meets.

Nothing here chooses how samples look (`dicom.render`). Input is hostile: sizes are read from the
codestream and checked before a decoder allocates.
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lamelle.base.errors import Invalid, NotFound, TooLarge, Unsupported

if TYPE_CHECKING:
    from pydicom import Dataset  # half a second, and a decoder in its own process never sees one

Samples = NDArray[Any]

# One decoded frame: a whole-slide overview of 20,000 x 20,000 RGB fits, a decompression bomb does not.
DECODED_LIMIT: Final = 2 << 30

NATIVE: Final = frozenset(
    {
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.98",
        "1.2.840.10008.1.2.1.99",
    }
)
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """The Image Pixel attributes a decoder needs. Source: PS3.3 C.7.6.3."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str
    planar: bool = False
    float_kind: bool = False
    word_vr: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little endian type of one sample, as allocated."""
        if self.bits_allocated == 1:
            return np.dtype(np.uint8)
        width = (self.bits_allocated + 7) // 8
        return np.dtype(f"<{'f' if self.float_kind else 'i' if self.signed else 'u'}{width}")

    @property
    def stored_samples(self) -> int:
        """Samples per pixel in native bytes: 4:2:2 subsampling keeps two of three."""
        return 2 if self.photometric == "YBR_FULL_422" and self.samples == 3 else self.samples

    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    def check(self) -> None:
        """Raises: NotFound("no_pixels"), Unsupported("pixel_format"), TooLarge("decoded_frame")."""
        if self.rows < 1 or self.columns < 1 or self.samples < 1:
            raise NotFound("no_pixels", "the instance has no image")
        allowed = {32, 64} if self.float_kind else {1, 8, 16, 32, 64}
        if self.bits_allocated not in allowed or self.samples > 4 or self.samples == 2:
            raise Unsupported("pixel_format", f"{self.samples} samples of {self.bits_allocated} bits are not decoded")
        size = self.rows * self.columns * self.samples * max(1, self.bits_allocated // 8)
        if size > DECODED_LIMIT:
            raise TooLarge("decoded_frame", f"a frame of {self.columns} x {self.rows} is over {DECODED_LIMIT} bytes")


def pixel_format(dataset: "Dataset") -> PixelFormat:
    """The format an instance declares; absent or unreadable numbers read as 0. Raises as PixelFormat.check."""
    allocated = number(dataset, "BitsAllocated") or 8
    form = PixelFormat(
        rows=number(dataset, "Rows"),
        columns=number(dataset, "Columns"),
        samples=number(dataset, "SamplesPerPixel") or 1,
        bits_allocated=allocated,
        bits_stored=min(number(dataset, "BitsStored") or allocated, allocated),
        signed=number(dataset, "PixelRepresentation") == 1,
        photometric=str(dataset.get("PhotometricInterpretation") or "MONOCHROME2").strip(),
        planar=number(dataset, "PlanarConfiguration") == 1,
        float_kind=not number(dataset, "BitsStored") and allocated in {32, 64},
        word_vr="PixelData" in dataset and dataset["PixelData"].VR == "OW",
    )
    form.check()
    return form


def with_vr(form: PixelFormat, vr: str) -> PixelFormat:
    """The format for pixel data of a VR, when the header was read without its pixel data."""
    return replace(form, word_vr=vr == "OW", float_kind=form.float_kind or vr in {"OF", "OD"})


def packed(samples: Samples, form: PixelFormat) -> bytes:
    """Samples as native little-endian bytes; single bits packed, the first in the lowest."""
    if form.bits_allocated == 1:
        return np.packbits(samples.reshape(-1), bitorder="little").tobytes()
    return samples.tobytes()


def number(dataset: "Dataset", keyword: str) -> int:
    """A numeric attribute, 0 when it is absent or no number."""
    try:
        return int(dataset.get(keyword) or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def decode(data: bytes, transfer_syntax: str, form: PixelFormat) -> Samples:
    """The samples of one frame, shaped (rows, columns) or (rows, columns, samples), little endian.

    Colour transforms inside of a codestream (JPEG's YCbCr, JPEG 2000's RCT and ICT) are undone; `photometric_of`
    names what comes out. Subsampled native YBR is expanded.

    Raises: Invalid("bad_frame"), TooLarge("decoded_frame"), Unsupported("transfer_syntax", "pixel_format").
    """
    form.check()
    if transfer_syntax in NATIVE:
        return _native(data, form, big=transfer_syntax == BIG_ENDIAN)
    decoder = DECODERS.get(transfer_syntax)
    if decoder is None:
        raise Unsupported("transfer_syntax", f"frames of transfer syntax {transfer_syntax} are not decoded")
    size = codestream_size(data)
    if size is not None and size != (form.columns, form.rows):
        raise Invalid(
            "bad_frame", f"the codestream is {size[0]} x {size[1]}, the header says {form.columns} x {form.rows}"
        )
    try:
        samples = np.asarray(decoder(data, form))
    except (Invalid, TooLarge, Unsupported):
        raise
    except Exception as error:
        raise Invalid("bad_frame", f"a frame of {len(data)} bytes cannot be decoded") from error
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[:, :, 0]
    if samples.shape != form.shape():
        raise Invalid("bad_frame", f"a frame decodes to {samples.shape}, the header says {form.shape()}")
    return _fit(samples, form)


def decode_small(data: bytes, transfer_syntax: str, form: PixelFormat, scale: float) -> Samples:
    """As `decode`; ordinary colour JPEG to be shown at `scale` comes at half, a quarter or an eighth of its sides."""
    if transfer_syntax != JPEG_BASELINE or form.samples != 3 or form.photometric == "RGB" or scale > 0.5:
        return decode(data, transfer_syntax, form)
    size = codestream_size(data)
    if size != (form.columns, form.rows):
        return decode(data, transfer_syntax, form)
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG"])
        image.draft("RGB", (max(1, int(form.columns * scale)), max(1, int(form.rows * scale))))
        return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise Invalid("bad_frame", f"a frame of {len(data)} bytes cannot be decoded") from error


END_OF_IMAGE = b"\xff\xd9"


def load() -> None:
    """Load every decoder now, not when it is first needed: later there may be no files."""
    Image.preinit()
    for name in ("jpeg8", "ljpeg", "jpegsof3", "jpegls", "jpeg2k", "jpegxl", "packbits"):
        getattr(imagecodecs, f"{name}_decode")


def photometric_of(transfer_syntax: str, form: PixelFormat) -> str:
    """Photometric Interpretation of what `decode` gives."""
    if form.samples == 3 and form.photometric.startswith("YBR"):
        if form.photometric in {"YBR_RCT", "YBR_ICT"} or transfer_syntax in TO_RGB:
            return "RGB"
        return "YBR_FULL"
    return form.photometric


def _native(data: bytes, form: PixelFormat, *, big: bool) -> Samples:
    pixels = form.rows * form.columns
    if form.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return _enough(bits, pixels * form.samples).reshape(form.shape())
    dtype = form.dtype.newbyteorder(">") if big else form.dtype
    usable = len(data) - len(data) % dtype.itemsize
    if big and form.word_vr and dtype.itemsize == 1 and len(data) % 2 == 0:
        # Bytes travel in 16-bit words there. Source: PS3.5 A.3, 8.2 (OW).
        flat = np.frombuffer(data, ">u2").astype("<u2").view(dtype)
    else:
        flat = np.frombuffer(data, dtype, usable // dtype.itemsize)
    if big:
        flat = flat.astype(form.dtype)
    if form.stored_samples != form.samples:
        # Y1 Y2 Cb Cr for each pair of pixels. Source: PS3.3 C.7.6.3.1.2. Some writers say 422 and store all.
        if len(flat) >= pixels * 3:
            return flat[: pixels * 3].reshape(form.shape())
        quads = _enough(flat, pixels * 2)[: pixels // 2 * 4].reshape(-1, 4)
        full = np.empty((pixels // 2 * 2, 3), flat.dtype)
        full[0::2, 0], full[1::2, 0] = quads[:, 0], quads[:, 1]
        full[:, 1:] = np.repeat(quads[:, 2:], 2, axis=0)
        return _enough(full, pixels).reshape(form.shape())
    flat = _enough(flat, pixels * form.samples)
    if form.samples > 1 and form.planar:
        return np.ascontiguousarray(flat.reshape(form.samples, form.rows, form.columns).transpose(1, 2, 0))
    return flat.reshape(form.shape())


def _enough(flat: Samples, count: int) -> Samples:
    if len(flat) < count:
        raise Invalid("bad_frame", f"a frame has {len(flat)} of {count} samples")
    return flat[:count]


def _fit(samples: Samples, form: PixelFormat) -> Samples:
    """Bring a decoder's own type to the allocated one; sign-extend what decoders give unsigned."""
    if samples.dtype == form.dtype:
        return samples
    if form.signed and samples.dtype.kind == "u":
        bits = min(form.bits_stored, 8 * samples.dtype.itemsize)
        wide = samples.astype(np.int64)
        return np.where(wide >= 1 << (bits - 1), wide - (1 << bits), wide).astype(form.dtype)
    return samples.astype(form.dtype)


def _jpeg(data: bytes, form: PixelFormat) -> Samples:
    """JPEG of any process. A codestream stored as RGB often lacks the marker that says so: the header decides."""
    if form.samples == 3 and form.photometric == "RGB" and not _says_colour(data):
        return np.asarray(imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"))
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _jpeg_lossless(data: bytes, form: PixelFormat) -> Samples:
    try:
        return np.asarray(imagecodecs.ljpeg_decode(data))
    except Exception:  # noqa: BLE001 - the two decoders accept different odd files
        return np.asarray(imagecodecs.jpegsof3_decode(data))


def _jpeg_ls(data: bytes, form: PixelFormat) -> Samples:
    if not data.rstrip(b"\0").endswith(END_OF_IMAGE):
        data = data + END_OF_IMAGE  # CharLS 2.4 may go on for minutes where a frame without its end breaks off
    return np.asarray(imagecodecs.jpegls_decode(data))


def _jpeg_2000(data: bytes, form: PixelFormat) -> Samples:
    return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=1))


def _jpeg_xl(data: bytes, form: PixelFormat) -> Samples:
    return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))


def _rle(data: bytes, form: PixelFormat) -> Samples:
    """RLE: each byte plane of each sample is one segment, the most significant first. Source: PS3.5 G.2."""
    if len(data) < 64:
        raise Invalid("bad_frame", "an RLE frame is shorter than its header")
    count, *offsets = struct.unpack_from("<16L", data)
    width = max(1, form.bits_allocated // 8)
    pixels = form.rows * form.columns
    if form.bits_allocated == 1 and count == 1 and 64 <= offsets[0] <= len(data):
        return _native(bytes(imagecodecs.packbits_decode(data[offsets[0] :])), form, big=False)
    if count != form.samples * width or any(offset > len(data) for offset in offsets[:count]):
        raise Invalid("bad_frame", f"an RLE frame has {count} segments, {form.samples * width} expected")
    out = np.zeros((form.samples, pixels, width), np.uint8)
    bounds = [*offsets[:count], len(data)]
    for index in range(count):
        segment = imagecodecs.packbits_decode(data[bounds[index] : bounds[index + 1]])
        plane = np.frombuffer(segment, np.uint8)
        sample, byte = divmod(index, width)
        out[sample, :, width - 1 - byte] = _enough(plane, pixels)
    full = out.view(form.dtype).reshape(form.samples, form.rows, form.columns)
    return full[0] if form.samples == 1 else np.ascontiguousarray(full.transpose(1, 2, 0))


def _deflated(data: bytes, form: PixelFormat) -> Samples:
    """One raw deflate stream a frame. Source: PS3.5 A.4.15."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = (form.rows * form.columns * form.samples * form.bits_allocated + 7) // 8
    return _native(inflater.decompress(data, size + 1), form, big=False)


Decoder = Callable[[bytes, PixelFormat], Samples]
Decode = Callable[[bytes, str, PixelFormat], Samples]
"""(frame, transfer syntax, format) to samples: `decode`, or what calls it elsewhere."""
_JPEG: Final = "1.2.840.10008.1.2.4."
DECODERS: Final[Mapping[str, Decoder]] = {
    f"{_JPEG}50": _jpeg,
    f"{_JPEG}51": _jpeg,
    f"{_JPEG}57": _jpeg_lossless,
    f"{_JPEG}70": _jpeg_lossless,
    f"{_JPEG}80": _jpeg_ls,
    f"{_JPEG}81": _jpeg_ls,
    f"{_JPEG}90": _jpeg_2000,
    f"{_JPEG}91": _jpeg_2000,
    f"{_JPEG}92": _jpeg_2000,
    f"{_JPEG}93": _jpeg_2000,
    f"{_JPEG}201": _jpeg_2000,
    f"{_JPEG}202": _jpeg_2000,
    f"{_JPEG}203": _jpeg_2000,
    f"{_JPEG}110": _jpeg_xl,
    f"{_JPEG}111": _jpeg_xl,
    f"{_JPEG}112": _jpeg_xl,
    "1.2.840.10008.1.2.5": _rle,
    "1.2.840.10008.1.2.8.1": _deflated,
}
# Decoders of these undo YCbCr themselves, whatever YBR name the header gives.
TO_RGB: Final = frozenset({f"{_JPEG}{n}" for n in (50, 51, 110, 111, 112)})


def codestream_size(data: bytes) -> tuple[int, int] | None:
    """(columns, rows) that a JPEG, JPEG-LS, JPEG 2000 or JPEG XL codestream declares; None when there is none to read.

    Raises: Invalid("bad_frame"), TooLarge("decoded_frame").
    """
    if data[:4] == b"\xff\x4f\xff\x51" and len(data) >= 24:
        right, bottom, left, top = struct.unpack_from(">4L", data, 8)
        size = (right - left, bottom - top)
    elif data[:2] == b"\xff\xd8":
        found = _jpeg_frame_size(data)
        if found is None:
            return None
        size = found
    elif data[:2] == b"\xff\x0a":
        size = _jpeg_xl_size(data)
    else:
        return None
    if size[0] <= 0 or size[1] <= 0:
        raise Invalid("bad_frame", f"a codestream of {size[0]} x {size[1]}")
    if size[0] * size[1] > DECODED_LIMIT:
        raise TooLarge("decoded_frame", f"a codestream of {size[0]} x {size[1]} is over the limit")
    return size


def _segments(data: bytes) -> Any:
    """(marker, offset of its parameters) of each JPEG segment before the entropy-coded data."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        yield marker, at + 4
        if marker == 0xDA:
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _jpeg_frame_size(data: bytes) -> tuple[int, int] | None:
    for marker, at in _segments(data):
        if (0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}) or marker == 0xF7:
            rows, columns = struct.unpack_from(">HH", data, at + 1) if len(data) >= at + 5 else (0, 0)
            # Zero rows: the DNL marker tells them after the first scan; the decoded shape is checked then.
            return (columns, rows) if rows else None
    return None


def _says_colour(data: bytes) -> bool:
    """Whether an Adobe or a JFIF marker tells the decoder how colour was coded."""
    return any(
        # Decoders know an Adobe segment only by its full length of 14.
        (marker == 0xEE and data[at : at + 5] == b"Adobe" and data[at - 2 : at] >= b"\x00\x0e")
        or (marker == 0xE0 and data[at : at + 4] == b"JFIF")
        for marker, at in _segments(data)
    )


def _jpeg_xl_size(data: bytes) -> tuple[int, int]:
    """Source: ISO/IEC 18181-1 A.3 (SizeHeader)."""
    bits = int.from_bytes(data[2:18], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def length(small: bool) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = bool(take(1))
    rows = length(small)
    ratio = take(3)
    if ratio:
        top, bottom = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        return rows * top // bottom, rows
    return length(small), rows
