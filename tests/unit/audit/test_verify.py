"""Whatever is done to the ledger behind its back is seen, and the first bad entry named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamelle.audit import chain, checkpoints, keys, ledger, tables, verify
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.verify import Report
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock

COUNT = 25
EVERY = 5
ENTRY = tables.ledger.c


def grow(db: Database, folder: Path, clock: SetClock, key: Key, count: int = COUNT, start: int = 1) -> None:
    for begin in range(start, start + count, EVERY):
        with db.write() as conn:
            for number in range(begin, min(begin + EVERY, start + count)):
                clock.move(1)
                ledger.record(conn, Entry("a", "view", patient_id=f"P{number}"), clock)
        ledger.seal(db, folder, clock, key, Rhythm(EVERY, 1e9))
    ledger.seal(db, folder, clock, key, Rhythm(EVERY, 0))


@pytest.fixture
def grown(db: Database, folder: Path, clock: SetClock, key: Key) -> Database:
    grow(db, folder, clock, key)
    return db


def checked(db: Database, folder: Path, key: Key, *copies: Path) -> Report:
    return verify.verify(db, frozenset([key.id]), (folder / checkpoints.FILE, *copies))


def first(report: Report) -> int:
    assert report.findings, "nothing was seen"
    return report.findings[0].number


def run(db: Database, *statements: sa.Executable) -> None:
    with db.write() as conn:
        for statement in statements:
            conn.execute(statement)


def altered(which: int, **values: object) -> sa.Update:
    return sa.update(tables.ledger).where(ENTRY.number == which).values(**values)


def removed(*numbers: int) -> sa.Delete:
    return sa.delete(tables.ledger).where(ENTRY.number.in_(numbers))


def entry_of(db: Database, number: int) -> str:
    with db.read() as conn:
        return str(conn.execute(sa.select(ENTRY.entry).where(ENTRY.number == number)).scalar_one())


def chained_anew(db: Database, start: int) -> None:
    """As somebody would who knows how, but has no key."""
    with db.write() as conn:
        rows = conn.execute(sa.select(tables.ledger).order_by(ENTRY.number)).all()
        link = chain.START
        for number, row in enumerate(rows, 1):
            link = chain.link(link, row.entry)
            if number >= start:
                conn.execute(altered(row.number, hash=link))


def test_what_was_left_alone_is_sound(grown: Database, folder: Path, key: Key) -> None:
    told: list[tuple[int, int]] = []
    report = verify.verify(grown, frozenset([key.id]), (folder / checkpoints.FILE,), lambda *done: told.append(done))
    assert (report.entries, report.signed_to, report.findings) == (COUNT, COUNT, ())
    assert told == [(COUNT, COUNT)]


def test_pages_make_no_difference(grown: Database, folder: Path, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PAGE", 7)
    monkeypatch.setattr(checkpoints, "PAGE", 2)
    assert checked(grown, folder, key).sound
    run(grown, removed(14))
    assert first(checked(grown, folder, key)) == 14


def test_an_empty_ledger_is_sound(db: Database, folder: Path, key: Key) -> None:
    assert checked(db, folder, key).sound


@pytest.mark.parametrize("number", [1, 12, COUNT])
def test_an_altered_entry_is_named(grown: Database, folder: Path, key: Key, number: int) -> None:
    text = entry_of(grown, number).replace(f"P{number}", "other")
    run(grown, altered(number, entry=text, patient_id="other"))
    assert first(checked(grown, folder, key)) == number


@pytest.mark.parametrize("column", ["actor", "action", "outcome", "patient_id", "issuer", "study_uid", "at"])
def test_a_column_that_hides_an_entry_from_searches_is_named(
    grown: Database, folder: Path, key: Key, clock: SetClock, column: str
) -> None:
    run(grown, altered(9, **{column: clock.now() if column == "at" else "hidden"}))
    assert first(checked(grown, folder, key)) == 9


def test_swapped_entries_are_named(grown: Database, folder: Path, key: Key) -> None:
    texts = entry_of(grown, 7), entry_of(grown, 8)
    run(grown, altered(7, entry=texts[1], patient_id="P8"), altered(8, entry=texts[0], patient_id="P7"))
    assert first(checked(grown, folder, key)) == 7


def test_whole_rows_swapped_are_named(grown: Database, folder: Path, key: Key) -> None:
    for old, new in ((7, 100), (8, 7), (100, 8)):
        run(grown, altered(old, number=new))
    assert first(checked(grown, folder, key)) == 7


@pytest.mark.parametrize("numbers", [(1,), (12,), (12, 13, 14), (24,)])
def test_a_removed_entry_is_named(grown: Database, folder: Path, key: Key, numbers: tuple[int, ...]) -> None:
    run(grown, removed(*numbers))
    report = checked(grown, folder, key)
    assert first(report) == numbers[0]
    assert "missing" in report.findings[0].what
    assert len(report.findings) == 1


def test_a_gap_that_was_closed_is_named(grown: Database, folder: Path, key: Key) -> None:
    run(grown, removed(12), *(altered(number, number=number - 1) for number in range(13, COUNT + 1)))
    assert first(checked(grown, folder, key)) == 12


def test_a_removed_entry_and_a_chain_made_anew_are_seen_without_the_key(
    grown: Database, folder: Path, key: Key
) -> None:
    run(grown, removed(12), *(altered(number, number=number - 1) for number in range(13, COUNT + 1)))
    chained_anew(grown, 12)
    report = checked(grown, folder, key)
    assert first(report) == 11  # the first that no checkpoint before speaks of
    assert "chained anew" in report.findings[0].what


def test_an_end_cut_off_is_seen(grown: Database, folder: Path, key: Key) -> None:
    run(grown, removed(*range(20, COUNT + 1)))
    assert first(checked(grown, folder, key)) == 20


def test_an_end_cut_off_with_its_checkpoints_is_seen_by_the_file(grown: Database, folder: Path, key: Key) -> None:
    run(grown, removed(*range(8, COUNT + 1)), sa.delete(tables.checkpoint).where(tables.checkpoint.c.number >= 8))
    report = checked(grown, folder, key)
    assert any(one.number == 8 and "missing" in one.what for one in report.findings)


def test_an_end_cut_off_everywhere_is_seen_by_a_copy_kept_elsewhere(
    grown: Database, folder: Path, key: Key, tmp_path: Path
) -> None:
    beside, copy = folder / checkpoints.FILE, tmp_path / "copy.jsonl"
    copy.write_bytes(beside.read_bytes())
    beside.write_bytes(b"".join(beside.read_bytes().splitlines(keepends=True)[:2]))
    run(grown, removed(*range(11, COUNT + 1)), sa.delete(tables.checkpoint).where(tables.checkpoint.c.serial > 2))
    assert checked(grown, folder, key).sound, "nothing that is left knows of it"
    assert first(checked(grown, folder, key, copy)) == 11


def test_a_ledger_that_went_on_after_a_cut_is_seen(grown: Database, folder: Path, key: Key, clock: SetClock) -> None:
    run(grown, removed(*range(8, COUNT + 1)), sa.delete(tables.checkpoint).where(tables.checkpoint.c.number >= 8))
    grow(grown, folder, clock, key, COUNT, start=100)
    report = checked(grown, folder, key)
    assert 6 <= first(report) <= 8


def test_everything_gone_is_seen(grown: Database, folder: Path, key: Key) -> None:
    run(grown, sa.delete(tables.ledger), sa.delete(tables.checkpoint))
    assert any(one.number == 1 and "missing" in one.what for one in checked(grown, folder, key).findings)


def test_checkpoints_signed_with_another_key_are_not_believed(
    grown: Database, folder: Path, key: Key, clock: SetClock, tmp_path: Path
) -> None:
    """Somebody chains everything anew, and signs it with a key of their own."""
    other = keys.load(tmp_path / "other.pem")
    run(grown, altered(12, entry=entry_of(grown, 12).replace("P12", "none"), patient_id="none"))
    chained_anew(grown, 12)
    run(grown, sa.delete(tables.checkpoint))
    (folder / checkpoints.FILE).unlink()
    ledger.seal(grown, folder, clock, other, Rhythm(1, 0))
    report = checked(grown, folder, key)
    assert "another key" in report.findings[0].what
    assert checked(grown, folder, other).sound, "who holds key and database may forge: that is said in the manual"


FORGERIES: dict[str, Callable[[dict[str, object]], object]] = {
    "number": lambda line: line.update(number=24),
    "hash": lambda line: line.update(hash="0" * 64),
    "signature": lambda line: line.update(signature="AAAA"),
    "at": lambda line: line.update(at="2020-01-01T00:00:00.000000+00:00"),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_checkpoint_is_seen(grown: Database, folder: Path, key: Key, what: str) -> None:
    path = folder / checkpoints.FILE
    *lines, last = [json.loads(line) for line in path.read_text().splitlines()]
    FORGERIES[what](last)
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, last]))
    report = checked(grown, folder, key)
    assert any("forged" in one.what for one in report.findings)


def test_a_removed_checkpoint_is_seen(grown: Database, folder: Path, key: Key) -> None:
    run(grown, sa.delete(tables.checkpoint).where(tables.checkpoint.c.serial == 3))
    assert any("checkpoint 3 was removed" in one.what for one in checked(grown, folder, key).findings)


def test_a_line_that_a_kill_cut_off_is_made_good(grown: Database, folder: Path, key: Key, clock: SetClock) -> None:
    path = folder / checkpoints.FILE
    path.write_bytes(path.read_bytes()[:-20])
    grow(grown, folder, clock, key, 1, start=COUNT + 1)
    assert checked(grown, folder, key).sound
    assert len([one for one in checkpoints.in_file(path) if one]) == len(list(checkpoints.in_database(grown)))


def test_what_is_sealed_meanwhile_is_no_finding(grown: Database, folder: Path, key: Key, clock: SetClock) -> None:
    def advance(done: int, total: int) -> None:
        grow(grown, folder, clock, key, 3, start=COUNT + 1)

    report = verify.verify(grown, frozenset([key.id]), (folder / checkpoints.FILE,), advance)
    assert (report.entries, report.findings) == (COUNT, ())
