"""What the audit ledger can be told; ops/config fills it, nothing here reads the environment."""

import base64
from dataclasses import dataclass
from pathlib import Path

from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Settings of the audit room."""

    enabled: bool = True
    """Whether what is seen and done at the doors is noted at all; off: to measure what it costs, never for patients."""
    key_file: Path | None = None
    """Ed25519 private key in PEM that signs checkpoints; none: `audit/key.pem` in the data folder, made at first use.
    Nodes of one catalogue share one."""
    former_keys: tuple[str, ...] = ()
    """Public keys, as `lamelle audit verify` prints them, whose older checkpoints are still believed."""
    checkpoint_entries: int = 1000
    """Entries after which the end of the ledger is signed again."""
    checkpoint_s: float = 60.0
    """Longest time that new entries wait for a signature; the end of the ledger can be cut off unseen before it."""
    source: str = ""
    """What this node is called in messages sent and exported; empty: its host name."""
    syslog_host: str = ""
    """Syslog server over TLS (RFC 5425) that every entry is sent to as a DICOM audit message; empty: none."""
    syslog_port: int = 6514
    """Its port."""
    syslog_ca: Path | None = None
    """Certificates, in PEM, that the server's is checked against; none: those of the system."""
    syslog_certificate: Path | None = None
    """This node's certificate in PEM, for servers that ask who sends."""
    syslog_key: Path | None = None
    """Private key of that certificate; none: it stands in the same file."""

    def __post_init__(self) -> None:
        if not 1 <= self.syslog_port <= 65535:
            raise Invalid("bad_setting", f"audit.syslog_port is {self.syslog_port}; allowed: 1 to 65535")
        if self.checkpoint_entries < 1 or self.checkpoint_s < 0:
            raise Invalid("bad_setting", "audit.checkpoint_entries is at least 1, audit.checkpoint_s at least 0")
        for text in self.former_keys:
            if not _is_key(text):
                raise Invalid("bad_setting", f"audit.former_keys: {text!r:.60} is no public key of 32 bytes in base64")


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        return False
