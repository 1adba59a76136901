"""How slides are converted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """How to convert; the defaults suit two cores and 500 MB."""

    threads: int = 2
    """workers that decode and encode"""
    jpeg_quality: int = 90
    """for what must be encoded again and for levels built here; stored JPEG is never touched"""
    tile_size: int = 512
    """pixels; only for sources without usable tiles of their own"""
    build_levels: bool = True
    """add the reduced levels a file lacks"""
    temp_dir: str | None = None
    """scratch space for encoded frames; None: the system's"""
    assumed_um_per_pixel: float = 0.5
    """written, and said to be assumed, if neither the file nor the facts know the pixel size"""
