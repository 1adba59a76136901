"""Searching at every level: keys, what is returned, pages."""

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import lifecycle, query
from lamelle.archive.query import Level, Match, Page, Query, found, search
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid
from lamelle.base.ids import uid_from
from lamelle.testing.archives import stored
from lamelle.testing.instances import dataset, instance, part10, slide


def asked(level: str, **options: object) -> Query:
    keys = options.pop("keys", {})
    assert isinstance(keys, dict)
    matches = tuple(Match(tuple(tag.split(".")), value) for tag, value in keys.items())
    return Query(Level(level), matches, **options)  # type: ignore[arg-type]


def find(archive: Archive, level: str, **options: object) -> Page:
    return search(archive.db, WHOLE, asked(level, **options))


@pytest.fixture
def filled(archive: Archive) -> Archive:
    stored(archive, [instance(str(s), StudyDate=f"2026010{s}", number=n) for s in range(1, 6) for n in (1, 2)])
    stored(
        archive,
        [
            slide([b"\xff\xd8ab"] * 3, study="9", StudyDate="20260109"),
            instance("9", "2", Modality="SR", StudyDate="20260109"),
        ],
    )
    return archive


def ids(page: Page) -> list[str]:
    return [item["00200010"]["Value"][0] for item in page.items]


def test_newest_first_and_pages_add_up(filled: Archive) -> None:
    everything = find(filled, "study")
    assert ids(everything) == ["9", "5", "4", "3", "2", "1"] and everything.remaining == 0
    pages = [find(filled, "study", limit=2, offset=at) for at in (0, 2, 4, 6)]
    assert [p.remaining for p in pages] == [4, 2, 0, 0]
    assert [i for p in pages for i in ids(p)] == ids(everything)
    assert find(filled, "study", limit=0).remaining == 6
    assert find(filled, "instance", limit=1).remaining == 11
    assert find(filled, "series", limit=1).remaining == 6


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize(
    "options", [{}, {"offset": 2, "limit": 3}, {"keys": {"00280101": "12"}}, {"keys": {"00080061": "CT"}}]
)
def test_found_goes_through_the_same_items(
    filled: Archive, monkeypatch: pytest.MonkeyPatch, level: str, options: dict[str, object]
) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    items = find(filled, level, **options).items
    assert items and list(found(filled.db, WHOLE, asked(level, **options))) == items


def test_found_leaves_out_what_is_deleted_meanwhile(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    items = found(filled.db, WHOLE, asked("study"))
    seen = [next(items)["00200010"]["Value"][0]]
    lifecycle.delete(filled.db, filled.blobs, filled.clock, WHOLE, uid_from("study", "4"), grace_s=60)
    assert seen + [item["00200010"]["Value"][0] for item in items] == ["9", "5", "3", "2", "1"]


def test_found_says_what_is_wrong_at_once(filled: Archive) -> None:
    with pytest.raises(Invalid, match="one value or a range"):
        found(filled.db, WHOLE, asked("study", keys={"00080020": "May"}))


def test_the_beginning_of_one_value_is_read_in_its_own_index(filled: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(filled, [instance("7", StudyDate="20200101")])  # the last to come is the oldest
    monkeypatch.setattr(query, "FEW", 0)
    monkeypatch.setattr(query, "WALKS", (1,))
    page = find(filled, "study", keys={"00100020": "P*"}, limit=3, offset=1)
    assert (ids(page), page.remaining, page.exact) == (["5", "4", "3"], 3, True)


def test_a_study_says_what_the_standard_wants(filled: Archive) -> None:
    [item] = find(filled, "study", keys={"00080050": "A9"}).items
    assert item["00080061"]["Value"] == ["SM", "SR"]
    assert (item["00201206"]["Value"], item["00201208"]["Value"]) == ([2], [2])
    assert item["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
    always = ["00080020", "00080030", "00080050", "00080090", "00100020", "00100030", "00100040", "0020000D"]
    assert set(always) <= set(item) and list(item) == sorted(item)


@pytest.mark.parametrize(
    ("level", "keys", "count"),
    [
        ("study", {"00080061": "SR"}, 1),
        ("study", {"00080060": "CT"}, 5),
        ("study", {"00400512": "S9-1"}, 1),
        ("study", {"00080016": "1.2.840.10008.5.1.4.1.1.77.1.6"}, 1),
        ("study", {"0020000D": f"{uid_from('study', '1')},{uid_from('study', '2')}"}, 2),
        ("study", {"00201208": "2"}, 6),
        ("study", {"00080056": "OFFLINE"}, 0),
        ("series", {"00080060": "S?"}, 2),
        ("series", {"00100020": "P9", "00080060": "SM"}, 1),
        ("instance", {"00200013": "2"}, 5),
        ("instance", {"00080008": "VOLUME"}, 1),
        ("instance", {"00080008": "V*E"}, 1),
        ("instance", {"00080008": "ORIGINAL*VOLUME"}, 0),
        ("instance", {"00083002": "1.2.840.10008.1.2.4.50"}, 1),
        ("instance", {"00480006": "768"}, 1),
        ("instance", {"00280101": "8"}, 1),
        ("study", {"00280101": "8"}, 1),
        ("study", {"00280101": "8", "00080060": "SR"}, 1),
    ],
)
def test_keys(filled: Archive, level: str, keys: dict[str, str], count: int) -> None:
    assert len(find(filled, level, keys=keys).items) == count


def test_series_and_instances_of_one_parent(filled: Archive) -> None:
    study, series = uid_from("study", "9"), uid_from("series", "9", "1")
    found = find(filled, "series", study_uid=study)
    assert len(found.items) == 2 and "00100010" not in found.items[0]
    [item] = find(filled, "instance", study_uid=study, series_uid=series).items
    assert (item["00280008"]["Value"], item["00280010"]["Value"]) == ([3], [256])
    assert find(filled, "instance", study_uid=uid_from("study", "1"), series_uid=series).items == []


def test_all_series_say_their_study(filled: Archive) -> None:
    assert all("00100010" in item for item in find(filled, "series").items)


def test_sequences_are_searched(archive: Archive) -> None:
    made = dataset()
    step = type(made)()
    step.RequestedProcedureID, step.ScheduledProcedureStepID, step.RequestedProcedureDescription = "R1", "S1", "head"
    made.RequestAttributesSequence = [step]
    stored(archive, [part10(made), instance("2")])
    for path in ("00400275.00401001", "00400275.00400009", "00400275.00321060"):
        value = {"00401001": "R1", "00400009": "S*", "00321060": "he?d"}[path[-8:]]
        [item] = find(archive, "series", keys={path: value}).items
        assert item["00400275"]["Value"][0]["00401001"]["Value"] == ["R1"]
    assert find(archive, "series", keys={"00400275.00321060": "foot"}).items == []


def test_include(filled: Archive) -> None:
    [item] = find(filled, "study", keys={"00080050": "A1"}, include=frozenset({"00081030", "00280101"})).items
    assert "00280101" not in item, "an attribute of an instance is not one of the study"
    [item, _] = find(filled, "instance", keys={"00080050": "A1"}, include=frozenset({"00280101"})).items
    assert item["00280101"]["Value"] == [12]
    [item, _] = find(filled, "instance", keys={"00080050": "A1"}, include="all").items
    assert item["00280102"]["Value"] == [11] and item["00100040"]["Value"] == ["F"]
    study = find(filled, "study", include="all").items[0]
    assert study["00080062"]["Value"] and "00280010" not in study


def test_used_keys_are_returned_even_when_universal(filled: Archive) -> None:
    [item, *_] = find(filled, "instance", keys={"00280101": ""}).items
    assert "00280101" in item


def test_fuzzy_names(archive: Archive) -> None:
    stored(archive, [instance("1", PatientName="Müller-Lüdenscheidt^Hans"), instance("2", PatientName="Muster^Eva")])
    for value, count in (("mul", 1), ("lüd han", 1), ("mu", 2), ("lud*", 1), ("eva mul", 0)):
        assert len(find(archive, "study", keys={"00100010": value}, fuzzy=True).items) == count, value


def test_a_renamed_lead_is_found_by_its_name_only(archive: Archive) -> None:
    low, high = sorted(range(1, 5), key=lambda n: str(dataset(number=n).SOPInstanceUID))[:2]
    stored(archive, [instance(number=high, PatientName="Old^Name")])
    stored(archive, [instance(number=low, PatientName="New^Name")])
    assert len(find(archive, "study", keys={"00100010": "old"}, fuzzy=True).items) == 0
    assert len(find(archive, "study", keys={"00100010": "new*"}).items) == 1


def test_a_key_twice_is_an_error(archive: Archive) -> None:
    with pytest.raises(Invalid, match="twice"):
        search(archive.db, WHOLE, Query(Level.STUDY, (Match(("00100020",), "1"), Match(("00100020",), "2"))))


def test_values_of_every_charset(archive: Archive) -> None:
    stored(archive, [instance(PatientName="Вагнер^Иван=王^小东", StudyDescription="κείμενο")])
    for value in ("вагнер*", "王*", "ВАГНЕР^ИВАН"):
        assert len(find(archive, "study", keys={"00100010": value}).items) == 1, value
    assert len(find(archive, "study", keys={"00081030": "κεί*"}).items) == 1


def test_dates_and_times_bound_one_span(archive: Archive) -> None:
    for number, (day, time) in enumerate([("01", "0900"), ("01", "1100"), ("02", "0300"), ("03", "0900"), ("03", "")]):
        stored(archive, [instance(str(number), StudyDate=f"202601{day}", StudyTime=time)])
    keys = {"00080020": "20260101-20260103", "00080030": "1000-1000"}
    assert ids(find(archive, "study", keys=keys)) == []
    assert ids(find(archive, "study", keys=keys, date_times=True)) == ["3", "2", "1"]
    assert ids(find(archive, "study", keys=keys, date_times=True, limit=2)) == ["3", "2"]
    keys = {"00080020": "20260102-", "00080030": "0400-"}
    assert ids(find(archive, "study", keys=keys, date_times=True)) == ["3", "4"]
    keys = {"00080020": "-20260101", "00080030": "-1000"}
    assert ids(find(archive, "study", keys=keys, date_times=True)) == ["0"]
