"""Frames and colour profiles from outside, decoded in a process that has no catalogue, no blob and no secret (ADR 18).

The same calls as dicom.pixels and dicom.icc, answered by children; uncompressed frames are only looked at as numbers,
which needs no decoder, and stay here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lamelle.base import apart
from lamelle.base.apart import Allowance
from lamelle.base.errors import Invalid
from lamelle.dicom import icc, pixels
from lamelle.dicom.pixels import PixelFormat, Samples

OWN_MEMORY: Final = 1 << 30
"""Bytes of address space for Python, its libraries, and the tables of a decoder whatever the frame's size."""
MEMORY_FACTOR: Final = 10
"""Bytes for one byte of a decoded frame: JPEG 2000 holds each 8-bit sample in 32 bits, twice."""
SECONDS: Final = 5.0
PIXELS_A_SECOND: Final = 1e6
"""A tenth of what the slowest decoder does."""
CHILDREN: Final = apart.Pool("lamelle.archive.decoding:answering")
"""Of this process; none is started before the first frame."""


@dataclass(frozen=True, slots=True)
class Question:
    """A frame to be decoded, or a picture to be turned into sRGB by its profile (the data are the profile, then it)."""

    transfer_syntax: str
    form: PixelFormat
    scale: float = 1.0
    """Below 1: as `pixels.decode_small`."""
    profile: int = -1
    """Bytes of the profile; -1: a frame is asked."""


def decode(data: bytes, transfer_syntax: str, form: PixelFormat) -> Samples:
    """As `pixels.decode`, elsewhere.

    Raises: as `pixels.decode`; Invalid decoder_crashed, decoder_memory, decoder_timeout; Unavailable decoders_busy.
    """
    return decode_small(data, transfer_syntax, form, 1.0)


def decode_small(data: bytes, transfer_syntax: str, form: PixelFormat, scale: float) -> Samples:
    """As `pixels.decode_small`, elsewhere. Raises as `decode`."""
    if transfer_syntax in pixels.NATIVE:
        return pixels.decode(data, transfer_syntax, form)
    form.check()
    return _asked(Question(transfer_syntax, form, scale), data, form)


def to_srgb(image: Samples, profile: bytes) -> Samples:
    """As `icc.to_srgb`, elsewhere. Raises as `decode`."""
    rows, columns, samples = image.shape
    form = PixelFormat(rows, columns, samples, 8, 8, signed=False, photometric="RGB")
    question = Question("", form, profile=len(profile))
    return _asked(question, profile + image.tobytes(), form)


def allowance(form: PixelFormat) -> Allowance:
    """What decoding one frame may cost, by the size it says it has; it is decoded only if it has that size."""
    decoded = form.rows * form.columns * form.samples * form.dtype.itemsize
    seconds = SECONDS + form.rows * form.columns / PIXELS_A_SECOND
    return Allowance(seconds, OWN_MEMORY + MEMORY_FACTOR * decoded, decoded)


def _asked(question: Question, data: bytes, form: PixelFormat) -> Samples:
    rest, body = CHILDREN.ask(question, data, allowance(form))
    dtype = np.dtype(np.uint8) if rest.get("dtype") == "|u1" else form.dtype
    shape = _shape(rest.get("shape"), form, question.scale < 1)
    if math.prod(shape) * dtype.itemsize != len(body):
        raise _garbage()
    return np.frombuffer(body, dtype).reshape(shape)


def _shape(told: Any, form: PixelFormat, smaller: bool) -> tuple[int, ...]:
    """The shape an answer says it has: that of the frame, or of a colour picture within it."""
    if not isinstance(told, list) or not all(type(side) is int and side > 0 for side in told):
        raise _garbage()
    shape = tuple(told)
    within = len(shape) == 3 and shape[0] <= form.rows and shape[1] <= form.columns and shape[2] == 3
    if shape != form.shape() and not (smaller and within):
        raise _garbage()
    return shape


def _garbage() -> Invalid:
    return Invalid("decoder_garbage", "The decoder answered with what cannot be a picture.")


# -- in the child ------------------------------------------------------------------------------------------------------


def answering() -> Callable[[Question, bytes], tuple[dict[str, Any], Samples]]:
    """Load every decoder while files can be opened; what answers a question."""
    pixels.load()
    icc.load()
    return answer


def answer(question: Question, data: bytes) -> tuple[dict[str, Any], Samples]:
    """What a child does with a question."""
    if question.profile >= 0:
        image = np.frombuffer(data, np.uint8, offset=question.profile).reshape(question.form.shape())
        samples = icc.to_srgb(image, data[: question.profile])
    elif question.scale < 1:
        samples = pixels.decode_small(data, question.transfer_syntax, question.form, question.scale)
    else:
        samples = pixels.decode(data, question.transfer_syntax, question.form)
    return {"shape": samples.shape, "dtype": samples.dtype.str}, np.ascontiguousarray(samples)
