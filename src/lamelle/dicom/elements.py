"""What a reader must know of value representations (PS3.5 6.2, 7.1) and tags; reading lives in part10 and json."""

from functools import lru_cache

from pydicom.datadict import dictionary_VR

LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"),
        *(b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)
KNOWN = LONG | SHORT
BULK = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"))

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
FLOAT_PIXELS, DOUBLE_PIXELS, PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010
OFFSETS, OFFSET_LENGTHS = 0x7FE00001, 0x7FE00002
PIXEL_TAGS = frozenset((FLOAT_PIXELS, DOUBLE_PIXELS, PIXELS))

MAX_DEPTH = 64


@lru_cache(maxsize=20_000)
def implied_vr(tag: int) -> bytes:
    """The VR an implicit VR element has by PS3.6, `UN` if private or unknown; ambiguous ones come as `US or SS`."""
    if tag & 0xFFFF == 0:
        return b"UL"
    if tag >> 16 & 1:
        return b"LO" if 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"
    try:
        return dictionary_VR(tag).encode()
    except KeyError:
        return b"UN"


def is_bulk(vr: bytes) -> bool:
    """Whether values of this VR are blobs that may stand outside the metadata."""
    return vr in BULK or vr.endswith(b"OW")
