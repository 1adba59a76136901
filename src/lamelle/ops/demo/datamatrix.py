"""Data Matrix ECC 200 symbols for slide labels: one square region, ASCII encodation. Source: ISO/IEC 16022.

Sizes 10 to 24 modules; no macros, no extended channel.
"""

import numpy as np

from lamelle.base import errors
from lamelle.ops.demo.noise import Array

# modules a side (with the finder), data codewords, error correction codewords. Source: ISO/IEC 16022 table 7.
SIZES = ((10, 3, 5), (12, 5, 7), (14, 8, 10), (16, 12, 12), (18, 18, 14), (20, 22, 18), (22, 30, 20), (24, 36, 24))
_POLYNOMIAL = 0x12D


def encode(text: str) -> Array:
    """The symbol of an ASCII text as a boolean array (rows, columns), True is dark, without quiet zone."""
    words = _codewords(text)
    for side, data, check in SIZES:
        if len(words) <= data:
            filled = _pad(words, data)
            return _frame(_place(filled + _reed_solomon(filled, check), side - 2))
    raise errors.Invalid("label_too_long", "The text does not fit the largest single-region Data Matrix.")


def _codewords(text: str) -> list[int]:
    """ASCII encodation: pairs of digits in one word, other characters as their code plus one."""
    words, at = [], 0
    while at < len(text):
        if text[at : at + 2].isdigit() and len(text[at : at + 2]) == 2:
            words.append(130 + int(text[at : at + 2]))
            at += 2
        else:
            words.append(ord(text[at]) + 1)
            at += 1
    return words


def _pad(words: list[int], size: int) -> list[int]:
    out = list(words)
    if len(out) < size:
        out.append(129)
    while len(out) < size:
        value = 129 + (149 * (len(out) + 1)) % 253 + 1
        out.append(value if value <= 254 else value - 254)
    return out


def _tables() -> tuple[list[int], list[int]]:
    power, log, value = [0] * 510, [0] * 256, 1
    for k in range(255):
        power[k] = power[k + 255] = value
        log[value] = k
        value <<= 1
        if value > 255:
            value ^= _POLYNOMIAL
    return power, log


def _reed_solomon(data: list[int], count: int) -> list[int]:
    """The check words over GF(256) with roots 2^1 .. 2^count."""
    power, log = _tables()

    def times(a: int, b: int) -> int:
        return power[log[a] + log[b]] if a and b else 0

    generator = [1]
    for k in range(1, count + 1):
        longer = [*generator, 0]
        for i, factor in enumerate(generator):
            longer[i + 1] ^= times(factor, power[k])
        generator = longer
    rest = [0] * count
    for word in data:
        lead = word ^ rest[0]
        rest = [*rest[1:], 0]
        for i in range(count):
            rest[i] ^= times(generator[i + 1], lead)
    return rest


_UTAH = ((-2, -2), (-2, -1), (-1, -2), (-1, -1), (-1, 0), (0, -2), (0, -1), (0, 0))


def _corner(kind: int, n: int) -> tuple[tuple[int, int], ...]:
    """Where the eight bits of a word in one of the four special corners lie. Source: ISO/IEC 16022 annex F."""
    return {
        1: ((n - 1, 0), (n - 1, 1), (n - 1, 2), (0, n - 2), (0, n - 1), (1, n - 1), (2, n - 1), (3, n - 1)),
        2: ((n - 3, 0), (n - 2, 0), (n - 1, 0), (0, n - 4), (0, n - 3), (0, n - 2), (0, n - 1), (1, n - 1)),
        3: ((n - 3, 0), (n - 2, 0), (n - 1, 0), (0, n - 2), (0, n - 1), (1, n - 1), (2, n - 1), (3, n - 1)),
        4: ((n - 1, 0), (n - 1, n - 1), (0, n - 3), (0, n - 2), (0, n - 1), (1, n - 3), (1, n - 2), (1, n - 1)),
    }[kind]


def _place(words: list[int], n: int) -> Array:
    """The mapping matrix (n, n): words along diagonals in the Utah shape."""
    grid = np.full((n, n), -1, int)
    rest = iter(words)

    def put(cells: tuple[tuple[int, int], ...]) -> None:
        word = next(rest)
        for bit, (row, column) in enumerate(cells):
            grid[row, column] = word >> (7 - bit) & 1

    def utah(row: int, column: int) -> None:
        put(tuple(_wrap(row + dr, column + dc, n) for dr, dc in _UTAH))

    row, column = 4, 0
    while row < n or column < n:
        if row == n and column == 0:
            put(_corner(1, n))
        if row == n - 2 and column == 0 and n % 4:
            put(_corner(2, n))
        if row == n - 2 and column == 0 and n % 8 == 4:
            put(_corner(3, n))
        if row == n + 4 and column == 2 and n % 8 == 0:
            put(_corner(4, n))
        while row >= 0 and column < n:
            if row < n and column >= 0 and grid[row, column] < 0:
                utah(row, column)
            row, column = row - 2, column + 2
        row, column = row + 1, column + 3
        while row < n and column >= 0:
            if row >= 0 and column < n and grid[row, column] < 0:
                utah(row, column)
            row, column = row + 2, column - 2
        row, column = row + 3, column + 1
    if grid[n - 1, n - 1] < 0:
        grid[n - 1, n - 1] = grid[n - 2, n - 2] = 1
        grid[n - 1, n - 2] = grid[n - 2, n - 1] = 0
    out: Array = grid == 1
    return out


def _wrap(row: int, column: int, n: int) -> tuple[int, int]:
    if row < 0:
        row, column = row + n, column + 4 - (n + 4) % 8
    if column < 0:
        row, column = row + 4 - (n + 4) % 8, column + n
    return row, column


def _frame(grid: Array) -> Array:
    """Adds the finder: solid left and bottom, alternating top and right."""
    n = grid.shape[0] + 2
    out = np.zeros((n, n), bool)
    out[1:-1, 1:-1] = grid
    out[0, ::2] = True
    out[1::2, -1] = True
    out[:, 0] = out[-1, :] = True
    return out
