"""A slide's label, its overview photograph, and the colour profile: what a scanner stores beside the tissue."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont

from lamelle.ops.demo import datamatrix
from lamelle.ops.demo.noise import Array

LABEL_SIZE = (400, 460)
OVERVIEW_SIZE = (1280, 431)
PX_PER_MM = 16.8  # of the overview


@dataclass(frozen=True, slots=True)
class LabelText:
    """What is printed on the glass."""

    laboratory: str
    barcode: str
    patient: str
    stain: str
    date: str


def label(text: LabelText) -> Array:
    """The label (rows, columns, 3) uint8: Data Matrix, number, stain, patient, as a hospital's printer does it."""
    image = Image.new("RGB", LABEL_SIZE, (250, 250, 246))
    pen = ImageDraw.Draw(image)
    ink = (22, 22, 26)
    pen.rectangle((0, 0, LABEL_SIZE[0], 44), fill=(206, 224, 232))
    pen.text((LABEL_SIZE[0] / 2, 22), text.laboratory, ink, ImageFont.load_default(21), anchor="mm")
    symbol = datamatrix.encode(text.barcode)
    module = 168 // symbol.shape[0]
    cells = np.kron(np.where(symbol, 20, 250).astype(np.uint8), np.ones((module, module), np.uint8))
    image.paste(Image.fromarray(cells), (28, 64))
    pen.text((222, 70), text.stain, ink, ImageFont.load_default(46 if len(text.stain) < 5 else 32))
    pen.text((222, 150), text.date, ink, ImageFont.load_default(24))
    pen.text((28, 256), text.barcode, ink, ImageFont.load_default(min(44, 600 // len(text.barcode))))
    pen.text((28, 320), text.patient, ink, ImageFont.load_default(30))
    pen.line((28, 366, 372, 366), fill=(150, 150, 150), width=2)
    pen.text((28, 380), "FICTIF / FICTITIOUS", (176, 32, 36), ImageFont.load_default(27))
    grain = np.random.default_rng(5).normal(0, 1.6, (LABEL_SIZE[1], LABEL_SIZE[0], 1))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), np.float32)
    out: Array = np.clip(soft + grain, 0, 255).astype(np.uint8)
    return out


def overview(printed: Array, tissue: Array, mm: tuple[float, float]) -> Array:
    """A photograph of the glass (rows, columns, 3): the label at the left, `tissue` of width and height `mm` on it."""
    width, height = OVERVIEW_SIZE
    shade = np.linspace(214, 226, width)[None, :, None] + np.zeros((height, 1, 3))
    image = Image.fromarray(shade.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rectangle((14, 12, width - 10, height - 14), fill=(236, 237, 236), outline=(176, 182, 184), width=3)
    pen.rectangle((18, 16, 372, height - 18), fill=(243, 243, 240))
    turned = Image.fromarray(printed).rotate(90, expand=True).resize((340, 296))
    image.paste(turned, (26, (height - 296) // 2))
    pen.rectangle((396, 26, width - 34, height - 28), outline=(214, 219, 221), width=2)
    size = (max(8, round(mm[0] * PX_PER_MM)), max(8, round(mm[1] * PX_PER_MM)))
    scanned = Image.fromarray(tissue).resize(size, Image.Resampling.BOX)
    dim = (np.asarray(scanned, np.float32) * (236.5 / 244)).astype(np.uint8)
    corner = ((396 + width - 34 - size[0]) // 2 - 60, (height - size[1]) // 2)
    image.paste(Image.fromarray(dim), corner)
    pen.rectangle(
        (corner[0] - 4, corner[1] - 4, corner[0] + size[0] + 4, corner[1] + size[1] + 4), outline=(40, 200, 60), width=2
    )
    grain = np.random.default_rng(6).normal(0, 1.8, (height, width, 1))
    out: Array = np.clip(np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), np.float32) + grain, 0, 255).astype(
        np.uint8
    )
    return out


@lru_cache(maxsize=1)
def profile() -> bytes:
    """An sRGB colour profile with a fixed date, so that files come out the same every time."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = (2026).to_bytes(2) + bytes([0, 3, 0, 16]) + bytes(6)
    data[84:100] = bytes(16)
    return bytes(data)
