"""What is told of a study that came to rest, and what others tell of theirs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import LamelleError, NotFound
from lamelle.base.ids import uid_from
from lamelle.lab import notices, steps
from lamelle.lab.keys import items
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import archives, instances
from lamelle.testing.archives import SetClock
from lamelle.testing.worklists import begun

STUDY = uid_from("study", "1")


@pytest.fixture
def archive(tmp_path: Path, clock: SetClock, catalogue_url: str) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


@pytest.fixture
def lab(archive: Archive, clock: SetClock) -> Lab:
    return Lab(archive.db, clock, LabSettings(settle_s=30))


def store(archive: Archive, series: str, number: int) -> None:
    archives.stored(archive, [instances.instance("1", series, number)])


def listed(dataset: dict[str, Any]) -> dict[str, list[str]]:
    return {
        series["0020000E"]["Value"][0]: [item["00081155"]["Value"][0] for item in items(series, "00081199")]
        for series in items(dataset, "00081115")
    }


def test_a_study_rests_when_nothing_came_for_a_while(lab: Lab, archive: Archive, clock: SetClock) -> None:
    store(archive, "1", 1)
    assert notices.unrest_s(lab, archive, STUDY) == 30
    clock.move(20)
    assert notices.unrest_s(lab, archive, STUDY) == 10
    store(archive, "1", 2)
    assert notices.unrest_s(lab, archive, STUDY) == 30
    clock.move(31)
    assert notices.unrest_s(lab, archive, STUDY) == 0
    assert notices.unrest_s(lab, archive, "2.25.404") == 0


def test_a_notice_lists_every_instance(lab: Lab, archive: Archive) -> None:
    for series, number in (("1", 1), ("1", 2), ("2", 1)):
        store(archive, series, number)
    uid, dataset = notices.compose(archive, WHOLE, STUDY, "LAMELLE")
    assert listed(dataset) == {
        uid_from("series", "1", series): sorted(uid_from("instance", "1", series, str(number)) for number in numbers)
        for series, numbers in (("1", (1, 2)), ("2", (1,)))
    }
    one = next(items(next(items(dataset, "00081115")), "00081199"))
    assert (one["00080054"]["Value"], one["00080056"]["Value"]) == (["LAMELLE"], ["ONLINE"])
    assert one["00081150"]["Value"] == [instances.CT]
    assert set(dataset) == {"00081111", "00081115", "0020000D"}, "nothing else is allowed (PS3.4 R.3.2.1.2)"
    assert notices.compose(archive, WHOLE, STUDY, "LAMELLE")[0] == uid, "the same content is the same notice"
    store(archive, "2", 2)
    assert notices.compose(archive, WHOLE, STUDY, "LAMELLE")[0] != uid


def test_a_notice_names_the_steps_performed_in_the_study(lab: Lab, archive: Archive) -> None:
    store(archive, "1", 1)
    assert notices.compose(archive, WHOLE, STUDY, "LAMELLE")[1]["00081111"] == {"vr": "SQ"}
    steps.create(lab, FIRST_PLACE, "2.25.7", begun(study_uid=STUDY))
    [step] = items(notices.compose(archive, WHOLE, STUDY, "LAMELLE")[1], "00081111")
    assert step["00081155"]["Value"] == ["2.25.7"]
    assert step["00404019"] == {"vr": "SQ"}


def test_an_unknown_study_has_no_notice(lab: Lab, archive: Archive) -> None:
    with pytest.raises(NotFound):
        notices.compose(archive, WHOLE, STUDY, "LAMELLE")


def test_what_we_tell_others_can_be_told_us(lab: Lab, archive: Archive) -> None:
    store(archive, "1", 1)
    uid, dataset = notices.compose(archive, WHOLE, STUDY, "OTHER")
    assert notices.receive(lab, uid, dataset, "OTHER") == uid
    assert notices.told(lab, uid) == dataset
    with pytest.raises(LamelleError) as caught:
        notices.receive(lab, uid, dataset, "OTHER")
    assert caught.value.code == "notice_exists"
    with pytest.raises(NotFound):
        notices.told(lab, "2.25.404")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (("0020000D",), "missing_attribute"),
        (("00081115",), "missing_attribute"),
        (("00081115", "0020000E"), "missing_attribute"),
        (("00081115", "00081199"), "missing_attribute"),
        (("00081115", "00081199", "00080056"), "missing_attribute"),
        (("00081115", "00081199", "00081155"), "missing_attribute"),
    ],
)
def test_what_a_notice_must_say(lab: Lab, archive: Archive, path: tuple[str, ...], code: str) -> None:
    store(archive, "1", 1)
    _, dataset = notices.compose(archive, WHOLE, STUDY, "OTHER")
    inner: Any = dataset
    for tag in path[:-1]:
        inner = inner[tag]["Value"][0]
    del inner[path[-1]]
    with pytest.raises(LamelleError) as caught:
        notices.receive(lab, "2.25.8", dataset, "OTHER")
    assert caught.value.code == code
