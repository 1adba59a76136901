"""The key that signs checkpoints (Ed25519), in a file that only its owner may read."""

import base64
import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lamelle.base.errors import Invalid, Unavailable
from lamelle.base.folders import make_durably, sync_folder


class Key:
    """A private key; `id` is its public half, which anyone may know."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.id = base64.b64encode(raw).decode()

    def sign(self, text: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._private.sign(text)).decode()


def signed(key_id: str, signature: str, text: bytes) -> bool:
    """Whether the holder of that key signed it."""
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key_id, validate=True))
        public.verify(base64.b64decode(signature, validate=True), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def load(path: Path) -> Key:
    """The key in that file, made at first use (PKCS#8, PEM, mode 0600).

    Raises: Invalid bad_audit_key; Unavailable audit_key_unreadable.
    """
    try:
        if not path.exists():
            _make(path)
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise Unavailable("audit_key_unreadable", f"the audit key {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise Invalid("bad_audit_key", f"{path} is no private key in PEM without a password") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Invalid("bad_audit_key", f"{path} is no Ed25519 key")
    return Key(private)


def _make(path: Path) -> None:
    """Whole and durable under its name, or not there; of two that make it at once one wins."""
    make_durably(path.parent)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    with suppress(FileExistsError):
        path.hardlink_to(made)
    made.unlink()
    sync_folder(path.parent)
