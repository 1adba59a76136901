"""What the DICOMweb door can be told; ops/config fills it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DicomwebSettings:
    """Settings of the DICOMweb door."""

    prefix: str = "/dicomweb"
    """Path under which the door is mounted."""
    public_url: str = ""
    """Address clients see, up to and without the prefix (behind a proxy); empty: that of each request."""
    strict_accept: bool = False
    """Answer 406 to a request without Accept, as PS3.18 8.7.5 says; by default it counts as `*/*`."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the door (`https://viewer.example`), or `*`; none by default."""
    max_results: int = 1000
    """Most results of one search: more are had with offset."""
    store_limit_bytes: int = 1 << 42
    """Largest STOW request body; slides are streamed, so this only stops what never ends."""
    json_store_limit_bytes: int = 512 << 20
    """Largest STOW request body of metadata with bulk parts, which is put together in memory."""
    commit_instances: int = 64
    """Received instances made durable together: more is faster, and repeated after a crash."""
    commit_bytes: int = 256 << 20
    """Received bytes after which a commit comes in any case."""
    convert_limit_bytes: int = 512 << 20
    """Largest file rewritten as Explicit VR Little Endian, or decompressed pixel data, in memory; 406 above."""
    render_side: int = 2048
    """Longest side in pixels of a rendered slide level without a viewport."""
    render_tiles: int = 4096
    """Most tiles decoded to render one slide level."""
    gif_frames: int = 300
    """Most frames of an animated rendering."""
    deletable: bool = True
    """Whether DELETE is offered."""
