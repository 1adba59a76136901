"""Every error Lamelle raises on purpose; a door maps a kind to its protocol's status, once.

LamelleError
├── NotFound       nothing by that name
│   └── Gone       it was here and was deleted
├── Conflict       it contradicts what is already kept
├── Invalid        the input breaks its standard
│   └── TooLarge   the input or the answer is over a limit
├── Denied         not allowed
├── Unauthenticated  nobody known: sign in first
├── Unsupported    understood, but not done here
└── Unavailable    try again: full disk, lost database, timeout

`code` is a stable lower_snake_case word that scripts may rely on (docs/reference/errors.md lists them all).
Messages never hold patient data: tags, UIDs, sizes and limits only.
"""


class LamelleError(Exception):
    """Base of the tree; raise one of the kinds below."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NotFound(LamelleError):
    """Nothing by that name."""


class Gone(NotFound):
    """It was here and was deleted."""


class Conflict(LamelleError):
    """It contradicts what is already kept."""


class Invalid(LamelleError):
    """The input breaks its standard."""


class TooLarge(Invalid):
    """The input or the answer is over a limit."""


class Denied(LamelleError):
    """Not allowed."""


class Unauthenticated(LamelleError):
    """Nobody known: no proof of who asks, or one that does not hold (any more)."""


class Unsupported(LamelleError):
    """Understood, but not done here."""


class Unavailable(LamelleError):
    """Try again later: full disk, lost database, timeout."""
