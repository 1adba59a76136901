"""Labels are read whatever happened to them, or not at all; never wrong. The whole set is bench/barcodes."""

import random

import numpy as np
import pytest
from bench import barcodes as bench
from PIL import Image

from lamelle.lab import barcodes

CODE = "25P01234-A-1-1"


def label(symbol: str = "Data Matrix", text: str = CODE) -> Image.Image:
    return bench.printed(text, symbol, random.Random(1))


@pytest.mark.parametrize("symbol", bench.SYMBOLS)
def test_a_clean_label_is_read_at_once(symbol: str) -> None:
    found = barcodes.read(np.asarray(label(symbol)))
    assert (found.codes, found.formats, found.preparations) == ((CODE,), ({"QR": "QR Code"}.get(symbol, symbol),), 3)


@pytest.mark.parametrize("case", bench.CASES, ids=lambda case: case.name.replace(" ", "_"))
@pytest.mark.parametrize("symbol", bench.SYMBOLS)
def test_a_damaged_label_is_read_well_within_the_range(case: bench.Case, symbol: str) -> None:
    chance = random.Random(f"{case.name} {symbol}")
    low, high = case.within
    picture = np.asarray(case.damage(label(symbol), chance, low + 0.7 * (high - low)))
    assert barcodes.read(picture).codes == (CODE,)


@pytest.mark.parametrize("case", [case for case in bench.CASES if case.name in ("all at once", "torn", "blur")])
def test_beyond_it_nothing_is_read_wrong(case: bench.Case) -> None:
    chance = random.Random(case.name)
    for at in range(3):
        text = bench.identifier(chance)
        drawn = bench.printed(text, bench.SYMBOLS[at], chance)
        picture = np.asarray(case.damage(drawn, chance, case.beyond[0] + (case.beyond[1] - case.beyond[0]) * at / 3))
        assert barcodes.read(picture).codes in ((), (text,))


def test_a_grey_and_a_large_picture_are_read() -> None:
    assert barcodes.read(np.asarray(label().convert("L"))).codes == (CODE,)
    assert barcodes.read(np.asarray(label().resize((4600, 4000)))).codes == (CODE,)


def test_paper_without_a_code_says_nothing() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 220, 3)).astype(np.uint8)
    assert barcodes.read(noise).codes == ()
    assert barcodes.read(np.full((300, 300), 250, np.uint8)).codes == ()


def test_two_codes_on_one_label_are_both_told() -> None:
    both = np.concatenate([np.asarray(label()), np.asarray(label("QR", "STAINER-77"))], axis=1)
    assert set(barcodes.read(both).codes) == {CODE, "STAINER-77"}
    assert barcodes.read(both, lambda text: text if text.startswith("25P") else "").codes == (CODE,)


def test_what_is_read_in_two_ways_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One preparation that says something else spoils the others, however often they agree."""
    said = iter([["A"], ["A"], ["B"]])

    def seen(*_: object) -> list[barcodes._Seen]:
        return [barcodes._Seen(text, "Code 128", False) for text in next(said, ["A"])]

    monkeypatch.setattr(barcodes, "_seen", seen)
    assert barcodes.read(np.full((100, 100), 250, np.uint8)).codes == ()


def test_bars_seen_by_one_preparation_alone_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([[barcodes._Seen("A", "Code 128", False)]])
    monkeypatch.setattr(barcodes, "_seen", lambda *_: next(said, []))
    assert barcodes.read(np.full((100, 100), 250, np.uint8)).codes == ()


def test_a_figure_for_each_damage_and_symbol(capsys: pytest.CaptureFixture[str]) -> None:
    found = {(case.name, symbol, True): bench.Count(10, 10) for case in bench.CASES for symbol in bench.SYMBOLS}
    found |= {(case.name, symbol, False): bench.Count(10, 5, 1) for case in bench.CASES[1:] for symbol in bench.SYMBOLS}
    text = " ".join(bench.table(found).split())
    assert "| torn | 0 to 0.06 share of the symbol gone | 100.0 % | 100.0 % | 100.0 % | 0.4 | 50.0 %, 3 wrong |" in text
    assert "270 of 270 labels were read (100.0 %), 0 wrong" in text
