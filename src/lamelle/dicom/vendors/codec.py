"""Pixels to bytes and back, one frame or TIFF segment at a time.

Which frames are decoded at all is decided elsewhere: what a scanner encoded once is passed on as it is.
"""

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from lamelle.base.errors import Invalid, LamelleError, Unsupported
from lamelle.dicom.vendors.slide import JPEG_2000_LOSSLESS, JPEG_BASELINE, Encoding, Pixels
from lamelle.dicom.vendors.tiff import Directory

JPEG_YCBCR = Encoding(JPEG_BASELINE, "YBR_FULL_422", 3, 8, lossy=True)
JPEG_RGB = Encoding(JPEG_BASELINE, "RGB", 3, 8, lossy=True)
JPEG_GRAY = Encoding(JPEG_BASELINE, "MONOCHROME2", 1, 8, lossy=True)


def lossless(samples: int, bits: int) -> Encoding:
    """The encoding for pixels no one has compressed with loss (ADR: JPEG 2000 lossless)."""
    return Encoding(JPEG_2000_LOSSLESS, "YBR_RCT" if samples == 3 else "MONOCHROME2", samples, bits, lossy=False)


def lossy(samples: int) -> Encoding:
    """The encoding for pixels that must be encoded again."""
    return JPEG_YCBCR if samples == 3 else JPEG_GRAY


def _guarded(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return call(*args, **named)
    except LamelleError:
        raise
    except Exception as exc:
        raise Invalid("bad_tile", f"a tile cannot be decoded ({type(exc).__name__})") from exc


def encode(pixels: Pixels, encoding: Encoding, quality: int = 90) -> bytes:
    """One frame, (rows, columns[, 3]); `quality` is for JPEG only."""
    pixels = np.ascontiguousarray(pixels)
    if encoding.transfer_syntax == JPEG_BASELINE:
        if encoding.samples == 1:
            return bytes(imagecodecs.jpeg8_encode(pixels, level=quality))
        if encoding.photometric == "RGB":
            return bytes(imagecodecs.jpeg8_encode(pixels, level=quality, colorspace="RGB", outcolorspace="RGB"))
        return bytes(imagecodecs.jpeg8_encode(pixels, level=quality, subsampling="422"))
    reversible = encoding.transfer_syntax == JPEG_2000_LOSSLESS
    level = 0 if reversible else 45
    mct = encoding.samples == 3 and encoding.photometric != "RGB"
    return bytes(
        imagecodecs.jpeg2k_encode(pixels, level=level, codecformat="J2K", reversible=reversible, mct=mct, numthreads=1)
    )


def decode(frame: bytes, encoding: Encoding) -> Pixels:
    """One frame as RGB or grey. Raises: Invalid("bad_tile")."""
    codec = imagecodecs.jpeg8_decode if encoding.transfer_syntax == JPEG_BASELINE else imagecodecs.jpeg2k_decode
    pixels: Pixels = _guarded(codec, frame)
    if (pixels.ndim == 3) != (encoding.samples == 3):
        raise Invalid("bad_tile", "a tile has another number of components than its image")
    return pixels


def blank(encoding: Encoding, rows: int, columns: int, quality: int = 90) -> bytes:
    """A background frame: white in colour, black in fluorescence."""
    shape = (rows, columns, 3) if encoding.samples == 3 else (rows, columns)
    dtype = np.uint16 if encoding.bits > 8 else np.uint8
    return encode(np.full(shape, 255 if encoding.samples == 3 else 0, dtype), encoding, quality)


_PLAIN: dict[int, Callable[..., Any]] = {
    1: lambda data, out: data,
    5: lambda data, out: imagecodecs.lzw_decode(data, out=out),
    8: lambda data, out: imagecodecs.zlib_decode(data, out=out),
    32946: lambda data, out: imagecodecs.zlib_decode(data, out=out),
    32773: lambda data, out: imagecodecs.packbits_decode(data, out=out),
    50000: lambda data, out: imagecodecs.zstd_decode(data, out=out),
}


def plain(directory: Directory) -> bool:
    """True if the image is stored without loss in a way read here."""
    return directory.compression in _PLAIN


def check_plain(directory: Directory) -> None:
    """Raises: Unsupported for sample kinds, colours and depths DICOM or Lamelle has no place for."""
    if directory.number(339, 1) not in (1, 2):
        raise Unsupported("sample_format", "only integer samples are read, not floats")
    if directory.bits not in (8, 16):
        raise Unsupported("bits_per_sample", f"{directory.bits} bits a sample; only 8 and 16 are read")
    if directory.samples not in (1, 3) or (directory.samples == 3 and directory.bits != 8):
        raise Unsupported("samples_per_pixel", f"{directory.samples} samples a pixel of {directory.bits} bits")
    if directory.photometric not in ((0, 1) if directory.samples == 1 else (2,)):
        raise Unsupported("tiff_photometric", f"TIFF photometric interpretation {directory.photometric}")


def segment(directory: Directory, data: bytes, rows: int, columns: int, samples: int) -> Pixels:
    """One losslessly stored tile or strip as (rows, columns[, samples]). Raises: Invalid("bad_tile")."""
    dtype = np.dtype(directory.file.order + ("u2" if directory.bits == 16 else "u1"))
    size = rows * columns * samples * dtype.itemsize
    raw = bytes(_guarded(_PLAIN[directory.compression], data, size))
    if len(raw) < size:
        raise Invalid("bad_tile", "a tile holds fewer pixels than its size")
    pixels = np.frombuffer(raw, dtype, rows * columns * samples).reshape(rows, columns, samples)
    pixels = pixels.astype(dtype.newbyteorder("="))
    if directory.number(317, 1) == 2:
        pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    elif directory.number(317, 1) != 1:
        raise Unsupported("tiff_predictor", "floating point predictors are not read")
    if directory.number(339, 1) == 2:
        # DICOM slides are unsigned: the sign bit is turned over, which keeps the order of the values
        pixels = pixels ^ pixels.dtype.type(1 << (directory.bits - 1))
    if directory.photometric == 0:
        pixels = np.iinfo(pixels.dtype).max - pixels
    result: Pixels = pixels[:, :, 0] if samples == 1 else pixels
    return result
