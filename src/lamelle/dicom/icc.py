"""Colour profiles: from a scanner's own profile to a named output space.

Source: PS3.3 C.11.15, PS3.18 8.3.5.1.5.
"""

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from lamelle.base.errors import Unsupported

Mode = Literal["no", "yes", "srgb", "adobergb", "rommrgb"]
MODES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
Convert = Callable[[NDArray[np.uint8], bytes], NDArray[np.uint8]]
"""(image, profile) to the image in sRGB."""
# Larger ones are no scanner profile but an attack on the parser.
PROFILE_LIMIT: Final = 16 << 20


def applied(
    image: NDArray[np.uint8], profile: bytes | None, mode: Mode, convert: Convert
) -> tuple[NDArray[np.uint8], bytes | None]:
    """The image (rows, columns, 3) in the wanted space, and the profile to embed in its file.

    `no`: as stored, nothing embedded. `yes`: as stored, its own profile embedded. `srgb`: converted and embedded.
    Profiles come from outside: `convert` reads them, here (`to_srgb`) or elsewhere.

    Raises: Unsupported("iccprofile") for other spaces.
    """
    if mode == "no":
        return image, None
    if mode == "yes":
        return image, profile if profile and len(profile) <= PROFILE_LIMIT else srgb()
    if mode != "srgb":
        raise Unsupported("iccprofile", "output colour spaces are srgb, yes (as stored) and no")
    if not profile or len(profile) > PROFILE_LIMIT:
        return image, srgb()
    return convert(image, profile), srgb()


def to_srgb(image: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """The image (rows, columns, 3) in sRGB; as it is if the profile cannot be read or is not RGB."""
    transform = _to_srgb(profile)
    return image if transform is None else np.asarray(transform.apply(Image.fromarray(image)))


def load() -> None:
    """Load now what is otherwise loaded when it is first needed."""
    srgb()


@lru_cache(maxsize=1)
def srgb() -> bytes:
    """The sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes) -> Any:
    """A transform made once for a profile; None for an unreadable one or one that is not RGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb()))
        return ImageCms.buildTransform(source, target, "RGB", "RGB", ImageCms.Intent.PERCEPTUAL)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
