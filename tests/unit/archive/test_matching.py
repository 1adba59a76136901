"""What a value means for its VR, and that the catalogue's SQL means the same."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamelle.access.model import WHOLE
from lamelle.archive import matching, query
from lamelle.archive.query import Level, Match, Query, search
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import Invalid
from lamelle.testing import postgres
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.instances import dataset, part10


@pytest.mark.parametrize(
    ("vr", "value", "yes", "no"),
    [
        ("LO", "A*C", ["AC", "ABC", "A*C"], ["AB", "XAC", "ac", ""]),
        ("LO", "A?C", ["ABC"], ["AC", "ABBC"]),
        ("SH", "a[1]%_", ["a[1]%_"], ["a1%_"]),
        ("SH", "a[1]%_*", ["a[1]%_", "a[1]%_b"], ["a1xx"]),
        ("PN", "doe^j*", ["Doe^Jane", "DOE^JÖRG"], ["Doe^Bob"]),
        ("PN", "Döe^*", ["doe", "Doe^Jane"], ["Doering"]),
        ("PN", "Doe", ["DOE^^^"], ["Doe^Jane"]),
        ("PN", "山田*", ["Yamada^Tarou=山田^太郎=やまだ^たろう"], ["Yamada^Tarou"]),
        ("PN", "Yamada*=山田*", ["Yamada^Tarou=山田^太郎"], ["Yamada^Tarou=山本"]),
        ("DA", "20240102", ["20240102", "2024.01.02"], ["20240103", ""]),
        ("DA", "20240101-20241231", ["20240101", "20241231"], ["20231231", "20250101", ""]),
        ("DA", "-20241231", ["19000101"], ["20250101", ""]),
        ("DA", "20240101-", ["20991231"], ["20231231"]),
        ("TM", "10", ["100000", "105959.999999", "10"], ["110000", "095959", ""]),
        ("TM", "1000-1100", ["100000", "110059", "10:30:00"], ["110100", "0959"]),
        ("TM", "000000-", ["000000", "00", "235959"], [""]),
        ("DT", "2024", ["20240101", "20241231235959.5", "202406"], ["2023", "2025"]),
        ("DT", "20240101120000-20240101130000", ["20240101123000", "20240101"], ["20240101140000"]),
        ("UI", "1.2,1.3", ["1.2", "1.3"], ["1.23"]),
        ("UI", "1.2\\1.3", ["1.3"], ["1.4"]),
        ("IS", "007", ["7", "+7"], ["70", ""]),
        ("DS", "20.0", ["20", "2e1"], ["20.1", "x"]),
        ("CS", "CT", ["CT"], ["ct"]),
    ],
)
def test_meaning(vr: str, value: str, yes: list[str], no: list[str]) -> None:
    criterion = matching.parse(vr, value)
    assert criterion is not None
    assert [text for text in yes if not criterion.matches([text])] == []
    assert [text for text in no if criterion.matches([text])] == []
    assert not criterion.matches([])
    assert criterion.matches([no[0], yes[0]]), "one value of several is enough"


@pytest.mark.parametrize("vr", ["LO", "PN", "DA", "UI", "IS"])
@pytest.mark.parametrize("value", ["", "*", " "])
def test_universal(vr: str, value: str) -> None:
    assert matching.parse(vr, value) is None


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "2024*"),
        ("DA", "-"),
        ("TM", "9:00"),
        ("UI", "1.2*"),
        ("IS", "x"),
        ("DT", "-"),
        ("DA", "a-b"),
        ("LO", "a\0*"),
    ],
)
def test_bad_values_are_named(vr: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        matching.parse(vr, value)
    assert caught.value.code == "bad_value"


def test_empty_and_several_values_only_when_asked() -> None:
    empty = matching.parse("LO", '""', empty_values=True)
    assert empty is not None and empty.matches([]) and empty.matches([""]) and not empty.matches(["x"])
    literal = matching.parse("LO", '""')
    assert literal is not None and not literal.matches([])
    several = matching.parse("CS", "CT\\M*", multiple_values=True)
    assert several is not None and several.matches(["MR"]) and not several.matches(["US"])


def test_fuzzy_is_the_beginning_of_any_word() -> None:
    words = matching.parse("PN", "jö du", fuzzy=True)
    assert words is not None
    assert words.matches(["Dupont-Durand^Jorg"]) and words.matches(["x^y=z=Du Jörg"])
    assert not words.matches(["Dupont^Anne"])


# -- the catalogue against a naive reader ------------------------------------------------------------

NAMES = ["Doe^Jane", "DOE^JOHN", "Dôe^J", "", "Zoë^Ana", "a%b_c[d]", "Müller^Jürgen", "Muller"]
IDS = ["P1", "p1", "P1*", "P%", "P_1", "[P]1", "", "1P"]
DATES = ["20240101", "20240229", "20231231", ""]
TIMES = ["101112", "1011", "10", "101112.5", "235959.999999", "000000", ""]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder: Path = tmp_path_factory.mktemp("matching")
    url = postgres.new_database() if os.environ.get("TEST_CATALOGUE") == "postgresql" else ""
    archive = Archive.open(ArchiveSettings(folder, url, reserve_bytes=0), SetClock())
    files = []
    for n in range(56):
        made = dataset(
            study=str(n),
            PatientName=NAMES[n % len(NAMES)],
            PatientID=IDS[n // 7 % len(IDS)],
            StudyDate=DATES[n % len(DATES)],
            StudyTime=TIMES[n % len(TIMES)],
            Modality=["CT", "MR", "SM"][n % 3],
            ProtocolName=IDS[n % len(IDS)],
        )
        files.append(part10(made))
    stored(archive, files)
    yield archive
    archive.close()


def _naive(vr: str, wanted: str, value: str) -> bool:
    """Matching by regular expressions and padding, written without looking at the code under test."""
    if wanted.strip("*") == "":
        return True
    if vr == "PN":
        import unicodedata

        def bare(text: str) -> str:
            plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
            return plain.lower().rstrip("^")

        value, wanted = bare(value), bare(wanted)
        if wanted == "":
            return True
        if wanted.endswith("^*") and value == wanted[:-2].rstrip("^") != "":
            return True
    if value == "":
        return False
    if vr == "DA":
        low, dash, high = wanted.partition("-")
        return (not low or value >= low) and (value <= (high or "99999999") if dash else value == low)
    if vr == "TM":
        low, dash, high = wanted.partition("-")
        high = high if dash else low
        span = [(t + "000000.000000"[len(t) :]) for t in (low or "00", value)]
        top = (high or "235959.999999") + "235959.999999"[len(high or "235959.999999") :]
        return span[0] <= span[1] <= top
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in wanted)
    return re.fullmatch(expression, value, re.DOTALL) is not None


_texts = st.lists(st.sampled_from([*"PpDdoôeéJ1%_[]*?^\\Müu", "Doe", "^J"]), max_size=5).map("".join)
_days = st.sampled_from(["20240101", "20240229", "20231231", "20200101"])
_times = st.sampled_from(["10", "1011", "101112", "101112.5", "000000", "235959", "0959"])


def _ranged(bound: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    both = st.tuples(bound, bound).map("-".join)
    return st.one_of(bound, both, bound.map("{}-".format), bound.map("-{}".format))


_keys = st.one_of(
    st.tuples(st.just(("PN", "00100010")), _texts.map(lambda text: text.replace("\\", "").replace("=", ""))),
    st.tuples(st.just(("LO", "00100020")), _texts.map(lambda text: text.replace("\\", ""))),
    st.tuples(st.just(("LO", "00181030")), _texts.map(lambda text: text.replace("\\", ""))),
    st.tuples(st.just(("DA", "00080020")), _ranged(_days)),
    st.tuples(st.just(("TM", "00080030")), _ranged(_times)),
    st.tuples(st.just(("CS", "00080061")), st.sampled_from(["CT", "C*", "?R", "*", "XX", "S?"])),
)


@pytest.mark.parametrize(("few", "alone"), [(0, 100), (3, 5)])
@pytest.mark.parametrize("steps", [(1, 8), (8, 30), (60,)])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_way_of_searching_finds_the_same(
    filled: Archive, few: int, alone: int, steps: tuple[int, ...], data: st.DataObject
) -> None:
    """Few rows one by one, a walk from the newest, or the database's own way: only the cost differs."""
    keys = data.draw(st.lists(_keys, min_size=1, max_size=3, unique_by=lambda key: key[0]))
    fuzzy = data.draw(st.booleans())
    limit, offset = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 9))
    matches = tuple(Match((tag,), value) for (_, tag), value in keys)
    asked = Query(Level.STUDY, matches, limit=limit, offset=offset, fuzzy=fuzzy)
    whole = search(filled.db, WHOLE, replace(asked, limit=None, offset=0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query, "FEW", few)
        patch.setattr(query, "WALKS", steps)
        patch.setattr(query, "FURTHER", 2)
        patch.setattr(query, "COUNTED", 3)
        patch.setattr(query, "ALONE", alone)
        page = search(filled.db, WHOLE, asked)
    assert page.items == whole.items[offset : offset + limit]
    more = max(0, len(whole.items) - offset - limit)
    assert page.remaining == more if page.exact else 0 < page.remaining <= more


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(keys=[(("PN", "00100010"), "^")], limit=0)
@given(keys=st.lists(_keys, min_size=1, max_size=3, unique_by=lambda key: key[0]), limit=st.integers(0, 60))
def test_search_finds_what_a_naive_reader_finds(
    filled: Archive, keys: list[tuple[tuple[str, str], str]], limit: int
) -> None:
    everything = search(filled.db, WHOLE, Query(Level.STUDY, include=frozenset({"00181030"}))).items
    expected = []
    for item in everything:
        n = int(item["00200010"]["Value"][0])
        values = {
            "00100010": NAMES[n % len(NAMES)],
            "00100020": IDS[n // 7 % len(IDS)],
            "00080020": DATES[n % len(DATES)],
            "00080030": TIMES[n % len(TIMES)],
            "00080061": ["CT", "MR", "SM"][n % 3],
            "00181030": IDS[n % len(IDS)],
        }
        if all(_naive(vr, value.strip(), values[tag]) for (vr, tag), value in keys):
            expected.append(str(n))
    page = search(
        filled.db, WHOLE, Query(Level.STUDY, tuple(Match((tag,), value) for (_, tag), value in keys), limit=limit)
    )
    assert [item["00200010"]["Value"][0] for item in page.items] == expected[:limit]
    assert page.remaining == max(0, len(expected) - limit)


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 30, str(1 << 63)])
def test_a_number_that_no_column_holds_matches_nothing(filled: Archive, number: str) -> None:
    assert search(filled.db, WHOLE, Query(Level.INSTANCE, (Match(("00280010",), number),))).items == []
