"""Person names as search keys: case, accents and width folded. Source: PS3.4 C.2.2.2.1, PS3.5 6.2.1."""

import re
import unicodedata

_BETWEEN_WORDS = re.compile(r"[\^=\s,;.'’\-‐]+")
_SPACES = re.compile(r"\s+")


def fold(text: str) -> str:
    """The text without case, accents, width and double spaces."""
    if not text.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        text = unicodedata.normalize("NFKC", bare)
    return _SPACES.sub(" ", text.casefold()).strip()


def key(group: str) -> str:
    """The search key of one component group: folded, without the empty components at its end."""
    parts = [part.strip() for part in fold(group).split("^")]
    return "^".join(parts).rstrip("^")


def keys(name: str) -> tuple[str, str]:
    """(key of the first group, `=key=key=` of the ideographic and phonetic ones, "" without them)."""
    first, *others = [key(group) for group in name.split("=")]
    return first, f"={'='.join(others)}=" if any(others) else ""


def words(name: str) -> frozenset[str]:
    """The words of all groups of a name, folded."""
    return frozenset(word for word in _BETWEEN_WORDS.split(fold(name)) if word)
