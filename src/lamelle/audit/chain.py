"""How one entry hangs on the one before: SHA-256 over the previous hash and the entry's text."""

import hashlib
from typing import Final

START: Final = "0" * 64
"""What the first entry hangs on."""


def link(previous: str, entry: str) -> str:
    """The hash of an entry after the one whose hash is `previous`."""
    return hashlib.sha256(bytes.fromhex(previous) + entry.encode()).hexdigest()
