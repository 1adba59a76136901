"""Just enough of a JPEG codestream to know whether a browser shows the right colours. Nothing is decoded.

Source: ITU-T T.81 B.2; PS3.5 8.2.1 (the transform is named by DICOM, not by the codestream).
"""

from typing import Final

SHOWN: Final = frozenset({0xC0, 0xC1, 0xC2})
FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ADOBE_RGB: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


def for_browsers(data: bytes, photometric: str) -> bytes | None:
    """The frame as a browser must get it, None if no browser can show it.

    RGB frames that do not say so get an Adobe marker (and lose JFIF's, which would mean YCbCr): every other byte is
    as stored.
    """
    at, adobe, jfif = 2, False, (0, 0)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xE0 and data[at + 4 : at + 9] == b"JFIF\0":
            jfif = (at, at + 2 + length)
        elif marker == 0xEE and data[at + 4 : at + 9] == b"Adobe":
            adobe = True
        elif marker in FRAME_HEADERS:
            if marker not in SHOWN or len(data) < at + 10 or data[at + 4] != 8:
                return None
            components = data[at + 9]
            if components == 1:
                return data if photometric == "MONOCHROME2" else None
            if components != 3 or not photometric.startswith(("YBR_", "RGB")):
                return None
            named = data[at + 10 : at + 19 : 3] == b"RGB" and not jfif[1]
            if photometric != "RGB" or adobe or named:
                return data
            return data[:2] + ADOBE_RGB + data[2 : jfif[0] or 2] + data[jfif[1] or 2 :]
        at += 2 + length
    return None
