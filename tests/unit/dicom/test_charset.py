"""Character sets: the examples of PS3.5 Annexes H to K, and text that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.dicom.charset import charset

H_3_1 = (
    b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
)
H_3_2 = (
    b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
    "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
)
I_2 = (
    b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
    "Hong^Gildong=洪^吉洞=홍^길동",
)
K_2 = (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东=")


@pytest.mark.parametrize(
    ("terms", "example"),
    [
        (("", "ISO 2022 IR 87"), H_3_1),
        (("ISO 2022 IR 13", "ISO 2022 IR 87"), H_3_2),
        (("", "ISO 2022 IR 149"), I_2),
        (("", "ISO 2022 IR 58"), K_2),
    ],
)
def test_examples_of_the_standard(terms: tuple[str, ...], example: tuple[bytes, str]) -> None:
    assert charset(terms).decode(example[0], name=True) == example[1]


@pytest.mark.parametrize(
    ("term", "codec", "text"),
    [
        ("ISO_IR 6", "ascii", "plain"),
        ("ISO_IR 100", "latin_1", "Éluard^Chloë"),
        ("ISO_IR 101", "iso8859_2", "Wałęsa"),
        ("ISO_IR 109", "iso8859_3", "ĉapo"),
        ("ISO_IR 110", "iso8859_4", "Ģirts"),
        ("ISO_IR 126", "iso8859_7", "Διονυσιος"),
        ("ISO_IR 127", "iso8859_6", "قباني^لنزار"),
        ("ISO_IR 138", "iso8859_8", "שרון^דבורה"),
        ("ISO_IR 144", "iso8859_5", "Люксембург"),
        ("ISO_IR 148", "iso8859_9", "Çavuşoğlu"),
        ("ISO_IR 166", "iso8859_11", "นามสกุล"),
        ("ISO_IR 192", "utf-8", "Wang^XiaoDong=王^小東=🔬"),
        ("ISO_IR 203", "iso8859_15", "œuvre à 5 €"),
        ("GB18030", "gb18030", "Wang^XiaoDong=王^小东="),
        ("GBK", "gbk", "王^小东"),
    ],
)
def test_sets_without_escapes(term: str, codec: str, text: str) -> None:
    assert charset((term,)).decode(text.encode(codec), name=True) == text


@pytest.mark.parametrize("term", ["ISO_IR 144", "ISO-IR 144", "ISO IR 144", "ISO 2022 IR 144", " iso_ir 144 "])
def test_odd_spellings_mean_the_same(term: str) -> None:
    assert charset((term,)).decode("Ж".encode("iso8859_5")) == "Ж"


def test_a_set_brought_in_ends_at_a_delimiter() -> None:
    korean = charset(("ISO_IR 100", "ISO 2022 IR 149"))
    value = b"\x1b$)C\xb1\xe8\\\xc9ric"
    assert korean.decode(value) == "김\\Éric"
    assert korean.decode(b"\x1b$)C\xb1\xe8^\xc9ric", name=True) == "김^Éric"


def test_a_backslash_byte_within_two_bytes_is_no_delimiter() -> None:
    # 0x5C is the second byte of a JIS X 0208 character.
    assert charset(("", "ISO 2022 IR 87")).decode(b"\x1b$B%\\\x1b(B\\b") == "ボ\\b"
    assert charset(("GB18030",)).decode("誠".encode("gb18030")) == "誠"


def test_second_plane_of_japanese() -> None:
    assert charset(("", "ISO 2022 IR 159")).decode(b"\x1b$(D0!\x1b(B") == "丂"


@given(
    st.lists(st.sampled_from(["", "ISO_IR 13", "ISO 2022 IR 87", "ISO 2022 IR 149", "GB18030", "ISO_IR 192", "?"])),
    st.lists(st.sampled_from([b"\x1b", b"$B", b"$)C", b"(J", b"-F", b"\\", b"^", b"a", b"\xe9", b"0!", b"\n"])),
    st.booleans(),
)
def test_bad_text_never_raises(terms: list[str], parts: list[bytes], name: bool) -> None:
    decoded = charset(terms).decode(b"".join(parts), name=name)
    decoded.encode("utf-8")
