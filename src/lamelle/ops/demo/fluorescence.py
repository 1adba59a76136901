"""A fluorescence slide as OME-TIFF: nuclei (DAPI), deposits along glomeruli (FITC), actin (TRITC), in grey channels."""

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import tifffile

from lamelle.ops.demo.noise import Array, smooth
from lamelle.ops.demo.organs import ORGANS
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.stainings import STAININGS
from lamelle.ops.demo.svs import shrink, tiles_of

CHANNELS = (("DAPI", 358, 461, 0x0000FFFF), ("FITC", 495, 519, 0x00FF00FF), ("TRITC", 557, 576, -0xFFFF01))
TILE = 512


def glow(width: int, height: int, mpp: float, seed: int) -> Array:
    """Channels (3, rows, columns) uint8 of a renal biopsy: light where the PAS section holds dye."""
    staining = STAININGS["PAS"]
    scene = Scene(width, height, mpp, staining.stains, seed)
    ORGANS["kidney"](scene, staining)
    scene.ink.clear()
    out = np.empty((3, height, width), np.uint8)
    rng = np.random.default_rng(seed)
    uneven = 1 + 0.12 * smooth((height // 16 + 1, width // 16 + 1), 60, rng)
    for y in range(0, height, 256):
        for x in range(0, width, 256):
            rows, columns = min(256, height - y), min(256, width - x)
            planes = scene.densities(x, y, columns, rows)
            light = np.kron(uneven[y // 16 : (y + 255) // 16 + 1, x // 16 : (x + 255) // 16 + 1], np.ones((16, 16)))[
                :rows, :columns
            ]
            nuclei, pink = np.maximum(planes[0], 0), np.maximum(planes[1], 0)
            for channel, signal in enumerate(
                (nuclei**1.2 * 190, np.clip(pink - 0.33, 0, 2) ** 1.1 * 300, pink**0.8 * 170)
            ):
                shot = rng.normal(0, 1, signal.shape) * np.sqrt(np.maximum(signal, 4)) * 0.55
                out[channel, y : y + rows, x : x + columns] = np.clip(signal * light + 6 + shot, 0, 255)
    return out


def write(path: Path, pixels: Array, mpp: float, name: str) -> None:
    """Writes channels (3, rows, columns) as a tiled, pyramidal OME-TIFF of JPEG tiles, sub-resolutions in SubIFDs."""
    count, height, width = pixels.shape
    levels = [pixels]
    while max(levels[-1].shape[1:]) > 1024:
        levels.append(np.stack([shrink(channel, 2) for channel in levels[-1]]))
    kind = {
        "dtype": np.uint8, "tile": (TILE, TILE), "photometric": "minisblack", "compression": "jpeg",
        "compressionargs": {"level": 88}, "metadata": None, "software": False,
        "resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER",
    }  # fmt: skip

    def tiles(channel: Array) -> Iterator[Array]:
        return tiles_of(channel, TILE)

    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for number in range(count):
            text = _xml(width, height, mpp, name).encode() if number == 0 else None
            tif.write(tiles(pixels[number]), shape=(height, width), subifds=len(levels) - 1, description=text, **kind)
            for level in levels[1:]:
                tif.write(tiles(level[number]), shape=level.shape[1:], subfiletype=1, **kind)


def _xml(width: int, height: int, mpp: float, name: str) -> str:
    """The OME description. Source: OME-XML schema 2016-06."""
    channels = "".join(
        f'<Channel ID="Channel:0:{k}" Name="{dye}" Fluor="{dye}" SamplesPerPixel="1" Color="{colour}" '
        f'ExcitationWavelength="{excited}" ExcitationWavelengthUnit="nm" EmissionWavelength="{emitted}" '
        f'EmissionWavelengthUnit="nm" IlluminationType="Epifluorescence" AcquisitionMode="WideField"/>'
        for k, (dye, excited, emitted, colour) in enumerate(CHANNELS)
    )
    planes = "".join(f'<TiffData IFD="{k}" FirstC="{k}" PlaneCount="1"/>' for k in range(len(CHANNELS)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'Creator="Lamelle demonstration">'
        '<Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="20"/></Instrument>'
        f'<Image ID="Image:0" Name="{escape(name)}">'
        '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" SizeY="{height}" SizeZ="1" '
        f'SizeC="{len(CHANNELS)}" SizeT="1" PhysicalSizeX="{mpp}" PhysicalSizeXUnit="µm" PhysicalSizeY="{mpp}" '
        f'PhysicalSizeYUnit="µm" BigEndian="false">{channels}{planes}</Pixels></Image></OME>'
    )
