"""What the archive can be told, with units and reasons; ops/config fills it, nothing here reads the environment."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ForwardRule:
    """What is sent on, as it is kept, to another archive."""

    to: str
    """AE title of one of `dimse.peers` that has a host and a port."""
    modalities: tuple[str, ...] = ()
    """Only series of these; empty: all."""
    sop_classes: tuple[str, ...] = ()
    """Only instances of these SOP Class UIDs; empty: all."""
    doors: tuple[str, ...] = ()
    """Only what came through these: dimse, dicomweb, files; empty: all."""


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """Settings of the archive room."""

    data_dir: Path
    """Folder of the spool and, by default, of the catalogue and the blobs."""
    database_url: str = ""
    """SQLAlchemy URL; empty: `catalogue.sqlite3` in data_dir."""
    blob_url: str = ""
    """`file:///folder` or `s3://bucket/prefix`; empty: `blobs` in data_dir."""
    s3_endpoint: str = ""
    """Address of an S3-compatible store; empty: Amazon's."""
    s3_region: str = "us-east-1"
    """Region that requests are signed for; most stores that are not Amazon's accept any."""
    s3_access_key: str = ""
    """Who asks; best given by the environment."""
    s3_secret_key: str = ""
    """Proof of who asks; best given by the environment, never shown."""
    instance_limit_bytes: int = 1 << 40
    """Largest instance taken in; a slide of 100 GB is real, a terabyte is a mistake."""
    reserve_bytes: int = 1 << 30
    """Free space below which nothing new is taken in, so that what is kept can still be served and repaired."""
    open_instances: int = 256
    """Instances kept open for tiles in one process: each holds a file descriptor and its frame index."""
    open_frames: int = 4_000_000
    """Frames indexed by the open instances together: 16 bytes each."""
    recheck_s: float = 2.0
    """How long an open instance is served before the catalogue is asked whether it was deleted."""
    purge_grace_s: float = 7 * 86400.0
    """From a deletion to the removal of its bytes: time to take a mistake back."""
    scan_limit: int = 200_000
    """Instances whose metadata one search may read when no index covers its keys."""
    forward: tuple[ForwardRule, ...] = ()
    """What is sent on to other archives as it comes in; each instance once to each of them, tried until it is there."""

    @property
    def database(self) -> str:
        """The URL of the catalogue."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'catalogue.sqlite3'}"

    @property
    def blobs(self) -> str:
        """The URL of the blob store."""
        return self.blob_url or (self.data_dir.absolute() / "blobs").as_uri()
