"""What the parent asks of the child, and what it allows it: plain data that both sides import."""

from dataclasses import dataclass, field
from pathlib import Path

READER = "lamelle.dicom.vendors.conversion:convert"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one slide reader may use. A slide that needs more is refused, the server lives."""

    memory_bytes: int = 1 << 30
    """Private memory of the child (RLIMIT_DATA), bytes; mapped files do not count. Readers need 100-300 MB."""
    cpu_s: int = 3600
    """Processor time, seconds: the largest slides decode in minutes."""
    wall_s: float = 4 * 3600.0
    """Time from start to end, seconds: a slow network share is slow, not broken."""
    silence_s: float = 300.0
    """Time without one byte from the reader, seconds, after which it hangs."""
    file_bytes: int = 16 << 30
    """Largest file the reader may write in its scratch folder, bytes: levels encoded anew wait there for their turn."""
    open_files: int = 512
    """File descriptors: MRXS slides keep many data files open."""
    nice: int = 5
    """Lower priority than the server that answers pathologists."""
    pipe_bytes: int = 1 << 20
    """Size of the kernel's pipe, bytes; the largest an unprivileged process may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """One conversion. `facts` and `settings` are handed to the reader as they are; both must pickle."""

    path: Path
    facts: object = None
    settings: object = None
    limits: Limits = field(default_factory=Limits)
    reader: str = READER
    """`module:function` with the signature of `lamelle.dicom.vendors.conversion.convert`."""
    scratch: Path | None = None
    """A private folder for what the reader must write on the way; None: it may write nothing anywhere."""
