"""Data Matrix symbols, against the standard's worked example and a reader written by others."""

import numpy as np
import pytest
import zxingcpp

from lamelle.base.errors import Invalid
from lamelle.ops.demo import datamatrix
from lamelle.ops.demo.noise import Array


def read(symbol: Array) -> list[tuple[str, str]]:
    quiet = np.pad(np.where(symbol, 0, 255), 3, constant_values=255)
    image = np.kron(quiet, np.ones((5, 5))).astype(np.uint8)
    return [(found.text, found.format.name) for found in zxingcpp.read_barcodes(image)]


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("1", 10),
        ("123456", 10),
        ("26C004", 12),
        ("26H01234-A1", 14),
        ("26H01241-B2-KI", 16),
        ("26H01234-A1-KI67-0001", 18),
        ("https://example.org/12345", 22),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ-ABCDEFG", 24),
    ],
)
def test_others_read_what_we_draw(text: str, side: int) -> None:
    symbol = datamatrix.encode(text)
    assert symbol.shape == (side, side)
    assert read(symbol) == [(text, "DataMatrix")]


def test_the_worked_example_of_the_standard() -> None:
    words = datamatrix._codewords("123456")
    assert words == [142, 164, 186]
    assert datamatrix._reed_solomon(words, 5) == [114, 25, 5, 88, 102]


def test_a_damaged_symbol_is_still_read() -> None:
    symbol = datamatrix.encode("26H01234-A1")
    symbol[5:7, 5:7] ^= True
    assert read(symbol) == [("26H01234-A1", "DataMatrix")]


def test_too_much_text_is_refused() -> None:
    with pytest.raises(Invalid, match="does not fit"):
        datamatrix.encode("X" * 37)
