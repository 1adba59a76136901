"""Colour profiles: from a scanner's own profile to a named output space.

Source: PS3.3 C.11.15, PS3.18 8.3.5.1.5.
"""

import io
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from lamelle.base.errors import Unsupported

Mode = Literal["no", "yes", "srgb", "adobergb", "rommrgb"]
MODES: Final = ("no", "yes", "srgb", "adobergb", "rommrgb")
# Larger ones are no scanner profile but an attack on the parser.
PROFILE_LIMIT: Final = 16 << 20


def applied(image: NDArray[np.uint8], profile: bytes | None, mode: Mode) -> tuple[NDArray[np.uint8], bytes | None]:
    """The image (rows, columns, 3) in the wanted space, and the profile to embed in its file.

    `no`: as stored, nothing embedded. `yes`: as stored, its own profile embedded. `srgb`: converted and embedded.
    A profile that cannot be read counts as sRGB. Raises: Unsupported("iccprofile") for other spaces.
    """
    if mode == "no":
        return image, None
    if mode == "yes":
        return image, profile if profile and len(profile) <= PROFILE_LIMIT else srgb()
    if mode != "srgb":
        raise Unsupported("iccprofile", "output colour spaces are srgb, yes (as stored) and no")
    if not profile or len(profile) > PROFILE_LIMIT:
        return image, srgb()
    transform = _to_srgb(profile)
    if transform is None:
        return image, srgb()
    picture = Image.fromarray(image)
    return np.asarray(transform.apply(picture)), srgb()


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
