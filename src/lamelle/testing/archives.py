"""A whole archive for tests, and bytes put into it through its only way in."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lamelle.archive.model import Origin, Outcome
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.db import Database


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.sqlite3"
        db = Database(f"sqlite:///{path}")
        db.migrate()
        db.close()
        return path.read_bytes()


def catalogue(folder: Path) -> str:
    """The URL of an empty catalogue in `folder`, where an archive of that data folder looks for it.

    It is a copy of one migrated once, in a hundredth of the time.
    """
    url = ArchiveSettings(folder).database
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_migrated())
    return url


def store(archive: Archive, *files: bytes, chunk: int = 1 << 20, study_uid: str | None = None) -> list[Outcome]:
    """Store Part 10 files in one commit."""
    receptions = []
    for data in files:
        reception = archive.ingest.receive(Origin("test"), study_uid=study_uid)
        for at in range(0, len(data), chunk):
            reception.write(data[at : at + chunk])
        reception.close()
        receptions.append(reception)
    return archive.ingest.commit(receptions)


def stored(archive: Archive, files: Iterable[bytes]) -> None:
    """Store files that must be taken."""
    outcomes = store(archive, *files)
    assert all(outcome.status == "stored" for outcome in outcomes), [o.code for o in outcomes]
