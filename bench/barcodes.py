"""How many labels are read, by what happened to them: generated labels, damaged by degrees; no label may be read wrong.

python -m bench.barcodes [--labels N] [--beyond N] [--write]
"""

import argparse
import random
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from lamelle.lab import barcodes
from lamelle.ops.demo import datamatrix

PAGE = Path(__file__).parent.parent / "docs" / "explain" / "scanning.md"
MARKS = "<!-- barcodes -->", "<!-- /barcodes -->"
SYMBOLS = ("Data Matrix", "QR", "Code 128")
MODULE = {"Data Matrix": 6, "QR": 6, "Code 128": 2}  # pixels
Picture = Image.Image
Damage = Callable[[Picture, random.Random, float], Picture]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of damage, in the range that is promised and beyond."""

    name: str
    unit: str
    damage: Damage
    within: tuple[float, float]
    beyond: tuple[float, float]


def identifier(chance: random.Random) -> str:
    """As laboratories number their slides."""
    year, number = chance.randint(19, 27), chance.randint(0, 99999)
    block, cut = chance.choice(string.ascii_uppercase[:8]), chance.randint(1, 24)
    return chance.choice(
        [
            f"{year}P{number:05}-{block}-{cut}-{chance.randint(1, 9)}",
            f"{year}H{number:06}{block}{cut:02}",
            f"{number:05}{year}{cut:02}",
        ]
    )


def printed(text: str, symbol: str, chance: random.Random) -> Picture:
    """A label of 460 x 400 pixels, printed and photographed."""
    image = Image.new("RGB", (460, 400), (248, 248, 244))
    cells = _cells(text, symbol)
    left, top = chance.randint(14, 40), chance.randint(30, 80)
    image.paste(Image.fromarray(cells).convert("RGB"), (left, top))
    image.info |= {
        "box": (left, top, left + cells.shape[1], top + cells.shape[0]),
        "module": MODULE[symbol],
        "symbol": symbol,
    }
    pen = ImageDraw.Draw(image)
    pen.text((30, 250), text, (20, 20, 24), ImageFont.load_default(40))
    pen.text((30, 310), chance.choice(["HES", "PAS", "Ki67", "CD3"]), (20, 20, 24), ImageFont.load_default(30))
    pen.line((30, 370, 430, 370), (150, 150, 150), 2)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _cells(text: str, symbol: str) -> Any:
    if symbol == "Data Matrix":
        dark = datamatrix.encode(text)
        return np.pad(
            np.kron(np.where(dark, 20, 248).astype(np.uint8), np.ones((6, 6), np.uint8)), 24, constant_values=248
        )
    kind = zxingcpp.BarcodeFormat.QRCode if symbol == "QR" else zxingcpp.BarcodeFormat.Code128
    made = zxingcpp.create_barcode(text, kind)
    cells = np.array(zxingcpp.write_barcode_to_image(made, scale=MODULE[symbol], add_hrt=False))
    return np.where(cells[:160] if symbol == "Code 128" else cells, 248, 20).astype(np.uint8)


# -- what happens to labels ----------------------------------------------------------------------------------------


def turned(image: Picture, chance: random.Random, degrees: float) -> Picture:
    """Turned by up to so many degrees either way, and perhaps upside down or on its side."""
    angle = chance.choice([0, 90, 180, 270]) + chance.uniform(-degrees, degrees)
    return image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=(238, 238, 238))


def blurred(image: Picture, chance: random.Random, modules: float) -> Picture:
    """Out of focus, in widths of a module or bar."""
    return image.filter(ImageFilter.GaussianBlur(modules * image.info["module"]))


def faded(image: Picture, chance: random.Random, contrast: float) -> Picture:
    """Ink and paper come near each other; noise stays."""
    values = np.asarray(image, np.float32)
    middle = chance.uniform(70, 190)
    noise = np.random.default_rng(chance.getrandbits(32)).normal(0, 2.5, values.shape)
    return Image.fromarray(np.clip((values - 134) * contrast + middle + noise, 0, 255).astype(np.uint8))


def stained(image: Picture, chance: random.Random, count: float) -> Picture:
    """Drops of eosin, haematoxylin, ink of a marker, partly through."""
    over = Image.new("RGB", image.size, (255, 255, 255))
    pen = ImageDraw.Draw(over)
    for _ in range(round(count)):
        x, y, r = chance.randint(0, 460), chance.randint(0, 300), chance.randint(12, 60)
        colour = chance.choice([(240, 120, 170), (120, 90, 190), (200, 150, 90), (120, 170, 230)])
        pen.ellipse((x - r, y - r * 0.7, x + r, y + r * 0.7), fill=colour)
    over = over.filter(ImageFilter.GaussianBlur(2))
    both = np.asarray(image, np.float32) * np.asarray(over, np.float32) / 255
    return Image.fromarray(both.astype(np.uint8))


def scratched(image: Picture, chance: random.Random, count: float) -> Picture:
    """Scratches that took the ink, and specks."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    for _ in range(round(count)):
        x, y = chance.randint(0, 460), chance.randint(0, 300)
        tone = chance.choice([235, 245, 60])
        end = (x + chance.randint(-120, 120), y + chance.randint(-120, 120))
        pen.line((x, y, *end), (tone, tone, tone), chance.choice([1, 1, 2]))
        pen.ellipse((x, y, x + 4, y + 4), (40, 40, 40))
    return image


def torn(image: Picture, chance: random.Random, share: float) -> Picture:
    """A piece of the symbol gone, so much of its area, where its finder is not."""
    image = image.copy()
    left, top, right, bottom = image.info["box"]
    width, height = right - left - 48, bottom - top - 48
    side = (width * height * share) ** 0.5
    if image.info["symbol"] == "QR":
        x, y = left + 24 + width - side, top + 24 + height - side
    else:
        x = left + 24 + chance.uniform(0.15, 0.85) * (width - side)
        y = top + 24 + chance.uniform(0.15, 0.85) * (height - side)
    ImageDraw.Draw(image).rectangle((x, y, x + side, y + side), fill=(246, 246, 242))
    return image


def shaded(image: Picture, chance: random.Random, depth: float) -> Picture:
    """Light from one side, and a reflection."""
    values = np.asarray(image, np.float32)
    rows, columns = np.mgrid[0 : values.shape[0], 0 : values.shape[1]] / 460
    angle = chance.uniform(0, 6.28)
    ramp = 1 - depth * np.clip(0.5 + (columns - 0.5) * np.cos(angle) + (rows - 0.4) * np.sin(angle), 0, 1)
    return Image.fromarray(np.clip(values * ramp[..., None], 0, 255).astype(np.uint8))


def all_of_it(image: Picture, chance: random.Random, amount: float) -> Picture:
    """Everything at once, each by a part of its range."""
    image = blurred(image, chance, 0.35 * amount)
    image = stained(image, chance, 3 * amount)
    image = scratched(image, chance, 5 * amount)
    image = shaded(image, chance, 0.5 * amount)
    image = turned(image, chance, 10 * amount)
    return faded(image, chance, 1 - 0.5 * amount)


CASES = (
    Case("as printed", "", lambda image, chance, amount: image, (0, 0), (0, 0)),
    Case("rotation", "degrees from level", turned, (0, 45), (45, 45)),
    Case("blur", "module widths (sigma)", blurred, (0, 0.5), (0.5, 1)),
    Case("low contrast", "share of the contrast left", faded, (1, 0.15), (0.15, 0.04)),
    Case("stains", "drops", stained, (0, 12), (12, 40)),
    Case("scratches", "scratches", scratched, (0, 8), (8, 40)),
    Case("shade", "share of the light lost", shaded, (0, 0.8), (0.8, 0.97)),
    Case("torn", "share of the symbol gone", torn, (0, 0.06), (0.06, 0.4)),
    Case("all at once", "of the range", all_of_it, (0, 1), (1, 2)),
)


@dataclass(slots=True)
class Count:
    """What came of one kind of damage."""

    labels: int = 0
    read: int = 0
    wrong: int = 0
    seconds: float = 0.0


def run(labels: int, beyond: int, cases: Sequence[Case] = CASES, seed: int = 1) -> dict[tuple[str, str, bool], Count]:
    """Of each damage and symbol so many labels within the range, so many beyond it."""
    found: dict[tuple[str, str, bool], Count] = {}
    for case in cases:
        for symbol in SYMBOLS:
            for inside in (True, False):
                low, high = case.within if inside else case.beyond
                if not inside and case.within[1] == case.beyond[1]:
                    continue
                chance = random.Random(f"{seed}{case.name}{symbol}{inside}")
                count = found.setdefault((case.name, symbol, inside), Count())
                many = labels if inside else beyond
                for at in range(many):
                    text = identifier(chance)
                    amount = low + (high - low) * (at + 1) / many
                    picture = np.asarray(case.damage(printed(text, symbol, chance), chance, amount))
                    begun = time.perf_counter()
                    said = barcodes.read(picture).codes
                    count.seconds += time.perf_counter() - begun
                    count.labels += 1
                    count.read += said == (text,)
                    count.wrong += said not in ((), (text,))
    return found


def table(found: dict[tuple[str, str, bool], Count]) -> str:
    """The figures as a page shows them."""
    lines = [
        "| damage | range | " + " | ".join(SYMBOLS) + " | beyond it, up to | read there |",
        "|---|---|" + "---|" * 5,
    ]
    for case in CASES:
        cells = [_share(found[case.name, symbol, True]) for symbol in SYMBOLS]
        beyond = [found[key] for symbol in SYMBOLS if (key := (case.name, symbol, False)) in found]
        far = [f"{case.beyond[1]:g}", _share(_sum(beyond))] if beyond else ["", ""]
        span = f"{case.within[0]:g} to {case.within[1]:g} {case.unit}" if case.unit else ""
        lines.append("| " + " | ".join([case.name, span, *cells, *far]) + " |")
    inside, outside = (_sum([c for key, c in found.items() if key[2] is side]) for side in (True, False))
    lines += [
        "",
        f"Within the ranges {inside.read:,} of {inside.labels:,} labels were read ({_share(inside)}),",
        f"{inside.wrong} wrong; beyond them {outside.read:,} of {outside.labels:,}, {outside.wrong} wrong.",
        f"A label took {1000 * inside.seconds / inside.labels:.0f} ms within and",
        f"{1000 * outside.seconds / max(1, outside.labels):.0f} ms beyond.",
    ]
    return "\n".join(lines)


def _sum(counts: list[Count]) -> Count:
    return Count(*(sum(getattr(c, name) for c in counts) for name in ("labels", "read", "wrong", "seconds")))


def _share(count: Count) -> str:
    return f"{100 * count.read / max(1, count.labels):.1f} %" + (f", {count.wrong} wrong" if count.wrong else "")


def main() -> None:
    """Reads the command line, measures, and writes the page when asked."""
    parser = argparse.ArgumentParser(prog="bench.barcodes", description=__doc__)
    parser.add_argument("--labels", type=int, default=200, help="labels of each damage and symbol")
    parser.add_argument("--beyond", type=int, default=40, help="the same beyond the range; unread ones take a second")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    given = parser.parse_args()
    text = table(run(given.labels, given.beyond))
    print(text)
    if given.write:
        before, after = (
            PAGE.read_text(encoding="utf-8").split(MARKS[0])[0],
            PAGE.read_text(encoding="utf-8").split(MARKS[1])[1],
        )
        PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
