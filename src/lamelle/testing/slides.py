"""Small slides of formats that only OpenSlide reads, for tests: Zeiss CZI, Leica SCN.

Layouts as published by Zeiss and as seen in files; only what a reader asks for is written.
"""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lamelle.testing import tiffs

BGR24 = 3
CZI_XML = (
    "<ImageDocument><Metadata><Information><Image><SizeX>{w}</SizeX><SizeY>{h}</SizeY><SizeC>1</SizeC><SizeS>1</SizeS>"
    '<ObjectiveSettings><ObjectiveRef Id="Objective:1"/></ObjectiveSettings></Image><Instrument><Objectives>'
    '<Objective Id="Objective:1"><NominalMagnification>20</NominalMagnification></Objective></Objectives></Instrument>'
    '</Information><Scaling><Items><Distance Id="X"><Value>2.5E-07</Value></Distance><Distance Id="Y">'
    "<Value>2.5E-07</Value></Distance></Items></Scaling></Metadata></ImageDocument>"
)


def czi(path: Path, pixels: npt.NDArray[np.uint8], tile: int = 500, overlap: int = 20) -> None:
    """A brightfield CZI of overlapping uncompressed tiles and a level 2 smaller."""
    height, width = pixels.shape[:2]
    entries: list[bytes] = []
    with path.open("wb") as file:
        file.write(bytes(544))
        for scale in (1, 2):
            level = pixels[::scale, ::scale]
            for y in range(0, level.shape[0], tile):
                for x in range(0, level.shape[1], tile):
                    part = level[y : y + tile + overlap, x : x + tile + overlap]
                    entry = _entry(file.tell(), (x, y), (part.shape[1], part.shape[0]), scale, len(entries))
                    data = part[:, :, ::-1].tobytes()
                    head = struct.pack("<iiq", 0, 0, len(data)) + entry
                    file.write(_segment("ZISRAWSUBBLOCK", head.ljust(256, b"\0") + data))
                    entries.append(entry)
        places = [file.tell()]
        file.write(_segment("ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries)))
        places.append(file.tell())
        xml = CZI_XML.format(w=width, h=height).encode()
        file.write(_segment("ZISRAWMETADATA", struct.pack("<ii248x", len(xml), 0) + xml))
        places.append(file.tell())
        file.write(_segment("ZISRAWATTDIR", struct.pack("<i252x", 0)))
        header = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"1" * 16, b"1" * 16, 0, *places[:2], 0, places[2])
        file.seek(0)
        file.write(_segment("ZISRAWFILE", header.ljust(512, b"\0")))


def _segment(name: str, body: bytes) -> bytes:
    return struct.pack("<16sqq", name.encode(), len(body), len(body)) + body


def _entry(at: int, place: tuple[int, int], size: tuple[int, int], scale: int, number: int) -> bytes:
    dimensions = [
        (b"X", place[0] * scale, size[0] * scale, size[0]), (b"Y", place[1] * scale, size[1] * scale, size[1]),
        (b"C", 0, 1, 1), (b"S", 0, 1, 1), (b"M", number, 1, 1),
    ]  # fmt: skip
    head = struct.pack("<2siqiib5xi", b"DV", BGR24, at, 0, 0, 0 if scale == 1 else 1, len(dimensions))
    return head + b"".join(
        struct.pack("<4siifi", name, start, long, 0.0, kept) for name, start, long, kept in dimensions
    )


SCN_XML = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection name="c" uuid="urn:uuid:1" sizeX="26000000"
 sizeY="76000000"><barcode>UzI0LTE=</barcode>
<image name="macro" uuid="urn:uuid:2"><creationDate>2024-03-05T10:11:12Z</creationDate><device model="SCN400"
 version="1.5"/><pixels sizeX="{mw}" sizeY="{mh}"><dimension sizeX="{mw}" sizeY="{mh}" r="0" ifd="0"/></pixels>
<view sizeX="26000000" sizeY="76000000" offsetX="0" offsetY="0" spacingZ="0"/><scanSettings><objectiveSettings>
<objective>0.6</objective></objectiveSettings><illuminationSettings><illuminationSource>brightfield</illuminationSource>
</illuminationSettings></scanSettings></image>
<image name="tissue" uuid="urn:uuid:3"><creationDate>2024-03-05T10:11:12Z</creationDate><device model="SCN400"
 version="1.5"/><pixels sizeX="{w}" sizeY="{h}"><dimension sizeX="{w}" sizeY="{h}" r="0" ifd="1"/>
<dimension sizeX="{sw}" sizeY="{sh}" r="1" ifd="2"/></pixels><view sizeX="{vw}" sizeY="{vh}" offsetX="5000000"
 offsetY="9000000" spacingZ="0"/><scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>
<illuminationSettings><illuminationSource>brightfield</illuminationSource><numericalAperture>0.7</numericalAperture>
</illuminationSettings></scanSettings></image></collection></scn>"""


def scn(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """A brightfield SCN of one region, 0.5 um a pixel, a level 4 smaller, and the macro image."""
    macro, small = tiffs.tissue(130, 380, seed=9), np.ascontiguousarray(pixels[::4, ::4])
    height, width = pixels.shape[:2]
    xml = SCN_XML.format(
        mw=130, mh=380, w=width, h=height, sw=small.shape[1], sh=small.shape[0], vw=width * 500, vh=height * 500
    )
    scale: dict[int, tiffs.Value] = {282: 20000.0, 283: 20000.0, 296: 3}
    images = [tiffs.level(macro, more={270: xml}), tiffs.level(pixels, more=scale), tiffs.level(small)]
    tiffs.write(path, images, big=True)
