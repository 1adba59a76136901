"""C-FIND and QIDO-RS ask one archive one question: the same keys find the same studies, series and instances."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.access.model import WHOLE
from lamelle.archive import query
from lamelle.archive.query import Level
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.dicom import transfer
from lamelle.doors.dicomweb import search
from lamelle.doors.dimse import datasets, identifiers
from lamelle.doors.dimse.identifiers import FIND, STUDY_ROOT, Options, Rank
from lamelle.testing.archives import stored
from lamelle.testing.instances import instance, slide

UIDS = [uid_from("study", str(number)) for number in range(1, 5)]
VALUES = {
    "PatientName": ["Doe*", "*léa*", "amie^lea", "LEA", "山田*", "?oe^Jane"],
    "PatientID": ["P1", "P*", "p1", ""],
    "StudyDate": ["20260101", "20260102-", "-20260102", "20260101-20260103"],
    "StudyTime": ["10", "0900-1100", "-0930"],
    "AccessionNumber": ["A1", "A?", "A[1]", "none"],
    "ModalitiesInStudy": ["CT", "SM", "C*"],
    "StudyInstanceUID": [UIDS[0], f"{UIDS[0]}\\{UIDS[2]}"],
    "Rows": ["4", "256"],
    "BitsStored": ["12"],
    "SOPClassUID": ["1.2.840.10008.5.1.4.1.1.2"],
    "ContainerIdentifier": ["S4*"],
}
RANKS = {Rank.STUDY: Level.STUDY, Rank.SERIES: Level.SERIES, Rank.IMAGE: Level.INSTANCE}
UNIQUE = identifiers.UNIQUE


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder: Path = tmp_path_factory.mktemp("same")
    opened = Archive.open(ArchiveSettings(folder, reserve_bytes=0))
    stored(opened, [instance("1", PatientName="Amie^Léa", StudyDate="20260101"), instance("1", "2", 2)])
    stored(opened, [instance("2", PatientName="山田^太郎", StudyDate="20260102", StudyTime="0915")])
    stored(opened, [instance("3", StudyDate="20260103"), slide([b"\xff\xd8"], "4", StudyDate="20260104")])
    yield opened
    opened.close()


@settings(max_examples=120, deadline=None)
@given(
    rank=st.sampled_from(list(RANKS)),
    keys=st.dictionaries(st.sampled_from(sorted(VALUES)), st.integers(0, 5), max_size=4),
    fuzzy=st.booleans(),
    utf8=st.booleans(),
)
def test_the_same_keys_find_the_same(
    archive: Archive, rank: Rank, keys: dict[str, int], fuzzy: bool, utf8: bool
) -> None:
    chosen = {name: VALUES[name][number % len(VALUES[name])] for name, number in keys.items()}
    pairs = [(name, value.replace("\\", ",")) for name, value in chosen.items()]
    flags = [("fuzzymatching", "true")] if fuzzy else []
    web = search.parsed([*pairs, *flags], RANKS[rank], {}, 1000)
    item: dict[str, Any] = {"00080052": {"vr": "CS", "Value": [str(rank)]}, UNIQUE[rank]: {"vr": "UI"}}
    for name, value in chosen.items():
        tag = identifiers.tag_of(name)
        assert tag is not None
        item[tag] = identifiers.element(tag, value)
    data = datasets.write(item, transfer.IMPLICIT_LITTLE, utf8=utf8)
    asked = identifiers.read(data, transfer.IMPLICIT_LITTLE, STUDY_ROOT + FIND)
    found = query.found(archive.db, WHOLE, identifiers.query(asked, Options(fuzzy=fuzzy), 1000))
    answers = [identifiers.answer(asked, one, "US") for one in found]
    assert [one[UNIQUE[rank]] for one in answers] == [
        one[UNIQUE[rank]] for one in query.search(archive.db, WHOLE, web).items
    ]
