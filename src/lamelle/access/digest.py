"""Secrets we hand out: made here, kept as their SHA-256.

They are 256 random bits, so that a fast digest is enough; what people choose is for passwords.
"""

import hashlib
import secrets


def fresh() -> str:
    """A new secret, of characters that fit cookies and headers."""
    return secrets.token_urlsafe(32)


def of(secret: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()
