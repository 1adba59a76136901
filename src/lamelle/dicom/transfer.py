"""The transfer syntaxes of PS3.5 Annex A and PS3.6 Annex A, as one table.

How a data set is written and which media type one of its frames has; decoding pixels lives in `pixels`.
"""

from dataclasses import dataclass

OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One way of writing a data set. `lossy`: frames may have lost information; `media_type`: of one frame."""

    uid: str
    name: str
    explicit: bool = True
    little: bool = True
    deflated: bool = False
    encapsulated: bool = True
    lossy: bool = False
    media_type: str = OCTETS


IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})

_NATIVE = (
    TransferSyntax(IMPLICIT_LITTLE, "Implicit VR Little Endian", explicit=False, encapsulated=False),
    TransferSyntax(EXPLICIT_LITTLE, "Explicit VR Little Endian", encapsulated=False),
    TransferSyntax("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian"),
    TransferSyntax(DEFLATED, "Deflated Explicit VR Little Endian", deflated=True, encapsulated=False),
    TransferSyntax(EXPLICIT_BIG, "Explicit VR Big Endian", little=False, encapsulated=False),
    TransferSyntax("1.2.840.113619.5.2", "GE Implicit VR, Big Endian Pixels", explicit=False, encapsulated=False),
)

# (suffix of 1.2.840.10008.1.2., name, lossy, media type of PS3.18 Table 8.7.3-5)
_ENCAPSULATED = (
    ("4.50", "JPEG Baseline (Process 1)", True, "image/jpeg"),
    ("4.51", "JPEG Extended (Process 2 & 4)", True, "image/jpeg"),
    ("4.52", "JPEG Extended (Process 3 & 5)", True, "image/jpeg"),
    ("4.53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)", True, "image/jpeg"),
    ("4.54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 & 9)", True, "image/jpeg"),
    ("4.55", "JPEG Full Progression, Non-Hierarchical (Process 10 & 12)", True, "image/jpeg"),
    ("4.56", "JPEG Full Progression, Non-Hierarchical (Process 11 & 13)", True, "image/jpeg"),
    ("4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", False, "image/jpeg"),
    ("4.58", "JPEG Lossless, Non-Hierarchical (Process 15)", False, "image/jpeg"),
    ("4.59", "JPEG Extended, Hierarchical (Process 16 & 18)", True, "image/jpeg"),
    ("4.60", "JPEG Extended, Hierarchical (Process 17 & 19)", True, "image/jpeg"),
    ("4.61", "JPEG Spectral Selection, Hierarchical (Process 20 & 22)", True, "image/jpeg"),
    ("4.62", "JPEG Spectral Selection, Hierarchical (Process 21 & 23)", True, "image/jpeg"),
    ("4.63", "JPEG Full Progression, Hierarchical (Process 24 & 26)", True, "image/jpeg"),
    ("4.64", "JPEG Full Progression, Hierarchical (Process 25 & 27)", True, "image/jpeg"),
    ("4.65", "JPEG Lossless, Hierarchical (Process 28)", False, "image/jpeg"),
    ("4.66", "JPEG Lossless, Hierarchical (Process 29)", False, "image/jpeg"),
    (
        "4.70",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14, Selection Value 1)",
        False,
        "image/jpeg",
    ),
    ("4.80", "JPEG-LS Lossless", False, "image/jls"),
    ("4.81", "JPEG-LS Lossy (Near-Lossless)", True, "image/jls"),
    ("4.90", "JPEG 2000 (Lossless Only)", False, "image/jp2"),
    ("4.91", "JPEG 2000", True, "image/jp2"),
    ("4.92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", False, "image/jpx"),
    ("4.93", "JPEG 2000 Part 2 Multi-component", True, "image/jpx"),
    ("4.94", "JPIP Referenced", True, OCTETS),
    ("4.95", "JPIP Referenced Deflate", True, OCTETS),
    ("4.100", "MPEG2 Main Profile / Main Level", True, "video/mpeg"),
    ("4.100.1", "Fragmentable MPEG2 Main Profile / Main Level", True, "video/mpeg"),
    ("4.101", "MPEG2 Main Profile / High Level", True, "video/mpeg"),
    ("4.101.1", "Fragmentable MPEG2 Main Profile / High Level", True, "video/mpeg"),
    ("4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", True, "video/mp4"),
    ("4.102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", True, "video/mp4"),
    ("4.103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", True, "video/mp4"),
    ("4.103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", True, "video/mp4"),
    ("4.104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", True, "video/mp4"),
    ("4.104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", True, "video/mp4"),
    ("4.105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", True, "video/mp4"),
    ("4.105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", True, "video/mp4"),
    ("4.106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", True, "video/mp4"),
    ("4.106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", True, "video/mp4"),
    ("4.107", "HEVC/H.265 Main Profile / Level 5.1", True, "video/mp4"),
    ("4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", True, "video/mp4"),
    ("4.110", "JPEG XL Lossless", False, "image/jxl"),
    ("4.111", "JPEG XL JPEG Recompression", True, "image/jxl"),
    ("4.112", "JPEG XL", True, "image/jxl"),
    ("4.201", "High-Throughput JPEG 2000 (Lossless Only)", False, "image/jphc"),
    ("4.202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", False, "image/jphc"),
    ("4.203", "High-Throughput JPEG 2000", True, "image/jphc"),
    ("4.204", "JPIP HTJ2K Referenced", True, OCTETS),
    ("4.205", "JPIP HTJ2K Referenced Deflate", True, OCTETS),
    ("5", "RLE Lossless", False, "image/dicom-rle"),
    ("7.1", "SMPTE ST 2110-20 Uncompressed Progressive Active Video", False, OCTETS),
    ("7.2", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video", False, OCTETS),
    ("7.3", "SMPTE ST 2110-30 PCM Digital Audio", False, OCTETS),
    ("8.1", "Deflated Image Frame Compression", False, OCTETS),
)

# The data sets of these are deflated as a whole, and their pixels are only a reference (PS3.5 A.6, A.8).
_REFERENCED = {"4.94": False, "4.95": True, "4.204": False, "4.205": True}

TABLE: dict[str, TransferSyntax] = {syntax.uid: syntax for syntax in _NATIVE} | {
    f"1.2.840.10008.1.2.{suffix}": TransferSyntax(
        f"1.2.840.10008.1.2.{suffix}",
        name,
        deflated=_REFERENCED.get(suffix, False),
        encapsulated=suffix not in _REFERENCED,
        lossy=lossy,
        media_type=media_type,
    )
    for suffix, name, lossy, media_type in _ENCAPSULATED
}


def lookup(uid: str) -> TransferSyntax | None:
    """The transfer syntax of that UID, None if the standard (or our table) does not know it."""
    return TABLE.get(uid)
