"""Rows as JSON texts: what any value of a column becomes."""

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import results
from lamelle.archive.catalogue import Level, study
from lamelle.archive.results import Item
from lamelle.archive.store import Archive
from lamelle.testing.archives import stored
from lamelle.testing.instances import dataset, part10


def loaded(archive: Archive, **columns: object) -> Item:
    """The result of one study row of these columns."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    blank = {"uid": "1.2", "lead": "1.2.3", "created_at": now, "updated_at": now}
    with archive.db.write() as conn:
        number = conn.execute(sa.insert(study).values(**blank | columns).returning(study.c.id)).scalar_one()
    with archive.db.read() as conn:
        [item] = results.load(conn, WHOLE, Level.STUDY, [number], frozenset(), parents=True)
    return item


@pytest.mark.parametrize(
    "text", ['say "x"', "back\\slash", 'a\\"\\b', "\\", "\\\\", "tab\tnew\nline\x1f", "é漢\U0001f52c", "0"]
)
def test_any_text_is_its_values(archive: Archive, text: str) -> None:
    item = loaded(archive, patient_id=text)
    assert json.loads(item.json)["00100020"] == {"vr": "LO", "Value": text.split("\\")}


def test_names_numbers_and_nothing(archive: Archive) -> None:
    item = loaded(archive, patient_name='D"oe^J=漢^字', modalities="\\CT\\SR\\", series_count=0)
    found = json.loads(item.json)
    assert found["00100010"]["Value"] == [{"Alphabetic": 'D"oe^J', "Ideographic": "漢^字"}]
    assert found["00080061"]["Value"] == ["CT", "SR"] and found["00201206"]["Value"] == [0]
    assert found["00080050"] == {"vr": "SH"} and "00080201" not in found
    assert list(found) == sorted(found) and item.uids == ("1.2",)


def test_an_instance_does_not_say_where_it_is_retrieved(archive: Archive) -> None:
    made = dataset()
    made.RetrieveURL = "http://elsewhere"
    stored(archive, [part10(made)])
    with archive.db.read() as conn:
        [item] = results.load(conn, WHOLE, Level.INSTANCE, [1], None, parents=True)
    assert results.RETRIEVE_URL not in json.loads(item.json) and len(item.uids) == 3
