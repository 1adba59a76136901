"""A series of slide images becomes a scan: from its pixels and its DICOM to the slide of its case."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from bench import barcodes as bench
from tests.unit.lab.test_matching import MATCHED, slides, stands

from lamelle.access import places
from lamelle.access.model import WHOLE
from lamelle.access.room import SYSTEM
from lamelle.archive import lifecycle, moving
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base import events, jobs
from lamelle.base.ids import uid_from
from lamelle.lab import cases, scanning, schedule
from lamelle.lab.orders import Identifier, Identity, Order, SlideSaid
from lamelle.lab.records import scan, scanner
from lamelle.lab.room import Lab
from lamelle.ops import config, wiring
from lamelle.testing import archives, instances, pictures
from lamelle.testing.archives import SetClock

NOW = SetClock().now()
WHO = Identity((Identifier("P1", "CHU"),), family="DOE", given="JANE", birth_date="19790000", sex="F")
CODE = "25P01234-A-1-1"
SAID = {
    "Manufacturer": "Maker",
    "ManufacturerModelName": "Fast 9",
    "DeviceSerialNumber": "SN1",
    "StationName": "SCAN-1",
    "AcquisitionDateTime": "20260102030000.5+0100",
    "ContainerIdentifier": "some file",
}


@pytest.fixture
def archive(tmp_path: Path, clock: SetClock, catalogue_url: str) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path, catalogue_url: str) -> config.Settings:
    return config.Settings(archive=ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0))


@pytest.fixture
def lab(archive: Archive, clock: SetClock, settings: config.Settings) -> Lab:
    return Lab(archive.db, clock, settings.lab)


def picture(text: str = CODE, symbol: str = "Data Matrix") -> Any:
    return np.asarray(bench.printed(text, symbol, random.Random(1)))


def image(flavor: str, number: int, pixels: Any, series: str = "1", **said: Any) -> bytes:
    """An image of one frame that shows these pixels."""
    rows, columns = pixels.shape[:2]
    size = {"Rows": rows, "Columns": columns, "TotalPixelMatrixRows": rows, "TotalPixelMatrixColumns": columns}
    kind = {"ImageType": ["ORIGINAL", "PRIMARY", flavor, "NONE"], "NumberOfFrames": 1}
    return instances.slide([pictures.jpeg(pixels)], "1", series, number, **{**SAID, **size, **kind, **said})


def slide_of(series: str = "1", label: Any = None, **said: Any) -> list[bytes]:
    found = [image("VOLUME", 1, np.full((32, 32, 3), 230, np.uint8), series, **said)]
    return found if label is None else [*found, image("LABEL", 2, label, series, **said)]


def order(**said: Any) -> Order:
    return Order(Identifier("25P01234"), NOW, patient=WHO, slides=(SlideSaid(Identifier(CODE), **said),))


def work(archive: Archive, settings: config.Settings, clock: SetClock, seconds: float = 10) -> None:
    """Let time pass; do what is due, as the jobs process does."""
    for _ in range(2):
        events.relay(archive.db, wiring.subscriptions(settings), clock)
        clock.move(seconds)
        handlers = wiring.handlers(archive, settings)
        jobs.Runner(
            archive.db, {kind: handlers[kind] for kind in (scanning.SCAN, scanning.EXPECT, scanning.FOLLOW)}, clock
        ).run_pending()


def row(lab: Lab) -> Any:
    with lab.db.read() as conn:
        return conn.execute(sa.select(scan)).one()


@pytest.mark.parametrize("order_first", [True, False])
def test_from_pixels_to_its_case(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock, order_first: bool
) -> None:
    if order_first:
        cases.take(lab, order())
    archives.stored(archive, slide_of(label=picture()))
    work(archive, settings, clock)
    if not order_first:
        assert stands(lab)[uid_from("series", "1", "1")] == ("unmatched", "unknown", "", False)
        cases.take(lab, order())
        work(archive, settings, clock)
    assert stands(lab) == {uid_from("series", "1", "1"): ("matched", "", CODE, True)}
    found = row(lab)
    assert (found.barcode, found.said_container, found.scanner) == (CODE, "some file", "SCAN-1")
    assert found.scanned_at == datetime(2026, 1, 2, 2, tzinfo=UTC)
    with lab.db.read() as conn:
        seen = conn.execute(sa.select(scanner)).one()
    assert (seen.serial, seen.manufacturer, seen.model, seen.place) == ("SN1", "Maker", "Fast 9", 1)


def test_it_waits_until_the_series_rests(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    level, label = slide_of(label=picture())
    archives.stored(archive, [level])
    events.relay(archive.db, wiring.subscriptions(settings), clock)
    clock.move(4)
    archives.stored(archive, [label])
    clock.move(2)
    scanning.scanned(lab, archive, {"study_uid": uid_from("study", "1"), "series_uid": uid_from("series", "1", "1")})
    assert stands(lab) == {}
    work(archive, settings, clock)
    assert row(lab).barcode == CODE


def test_a_label_that_comes_later_is_read_then(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, order())
    level, label = slide_of(label=picture())
    archives.stored(archive, [level])
    work(archive, settings, clock)
    assert (row(lab).barcode, row(lab).state) == ("", "unmatched")
    archives.stored(archive, [label])
    work(archive, settings, clock)
    assert (row(lab).barcode, row(lab).state) == (CODE, "matched")


def test_what_is_no_slide_makes_no_scan(lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock) -> None:
    archives.stored(archive, [instances.instance()])
    work(archive, settings, clock)
    assert stands(lab) == {}
    assert scanning.take(lab, archive, "2.25.4", "2.25.5") is None
    scanning.scanned(lab, archive, {"study_uid": "2.25.4", "series_uid": "2.25.5"})


@pytest.mark.parametrize(
    ("said", "label", "end"),
    [
        ({"BarcodeValue": CODE}, False, (CODE, "some file")),
        ({"BarcodeValue": CODE}, True, (CODE, "some file")),
        ({"BarcodeValue": "OTHER"}, True, (CODE, "OTHER")),
        ({"ContainerIdentifier": CODE}, False, ("", CODE)),
    ],
)
def test_what_the_dicom_says(
    lab: Lab, archive: Archive, said: dict[str, str], label: bool, end: tuple[str, str]
) -> None:
    archives.stored(archive, slide_of(label=picture() if label else None, **said))
    scanning.take(lab, archive, uid_from("study", "1"), uid_from("series", "1", "1"))
    assert (row(lab).barcode, row(lab).said_container) == end


def test_without_a_label_the_overview_is_read(lab: Lab, archive: Archive) -> None:
    glass = np.full((600, 1300, 3), 235, np.uint8)
    glass[60:460, 40:500] = picture(symbol="QR")
    archives.stored(archive, [*slide_of(), image("OVERVIEW", 3, glass)])
    scanning.take(lab, archive, uid_from("study", "1"), uid_from("series", "1", "1"))
    assert row(lab).barcode == CODE


def test_a_label_that_cannot_be_decoded_is_no_failure(lab: Lab, archive: Archive) -> None:
    broken = instances.slide([b"no jpeg"], number=2, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    archives.stored(archive, [*slide_of(), broken])
    scanning.take(lab, archive, uid_from("study", "1"), uid_from("series", "1", "1"))
    assert row(lab).barcode == ""


def test_what_was_stored_before_is_looked_at_again(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, order())
    archives.stored(archive, [*slide_of("1", picture()), *slide_of("2", None), instances.instance("9")])
    assert scanning.again(lab) == 2
    clock.move(60)
    work(archive, settings, clock)
    assert sorted(state for state, *_ in stands(lab).values()) == ["matched", "unmatched"]
    assert scanning.again(lab) == 1
    assert scanning.again(lab, every=True) == 2


def test_a_scan_whose_images_are_deleted_is_no_slides(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, order())
    files = slide_of(label=picture())
    archives.stored(archive, files)
    work(archive, settings, clock)
    assert row(lab).state == "matched"
    lifecycle.delete(archive.db, archive.blobs, clock, WHOLE, uid_from("study", "1"), grace_s=60)
    work(archive, settings, clock)
    assert stands(lab)[uid_from("series", "1", "1")] == ("ignored", "deleted", "", False)
    assert slides(lab) == {CODE: "ordered"}
    scanning.match_waiting(lab, 1)
    assert row(lab).state == "ignored"
    archives.store(archive, *files)
    work(archive, settings, clock)
    assert stands(lab)[uid_from("series", "1", "1")] == ("matched", "", CODE, True)


def test_scans_go_with_their_study(lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock) -> None:
    archives.stored(archive, slide_of(label=picture()))
    work(archive, settings, clock)
    with lab.db.write() as conn:
        site = places.add(conn, "site", "Across the street", 1)
    moving.move(archive.db, clock, SYSTEM, uid_from("study", "1"), site)
    work(archive, settings, clock)
    assert row(lab).place == site


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("20260102030405", "+0100", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("20260102030405.123456", "", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("20261302030405", "", None),
        ("2026", "", None),
        ("19000101000000", "", None),
        ("", "", None),
    ],
)
def test_when_it_was_scanned(text: str, zone: str, at: datetime | None) -> None:
    head = {"0008002A": {"vr": "DT", "Value": [text]}, "00080201": {"vr": "SH", "Value": [zone]}}
    assert scanning.scanned_at(head) == at


# -- the modality worklist ---------------------------------------------------------------------------------------------


def listed(lab: Lab) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.step_id, entry.containers) for entry in schedule.entries(lab)]


def test_a_slide_is_on_the_worklist_until_it_is_scanned(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, order(aliases=("STAINER-9",), stain_text="HES", due_on="20260103"))
    work(archive, settings, clock)
    assert listed(lab) == [("L1", (CODE, "STAINER-9"))]
    [found] = schedule.find(lab, WHOLE, ())
    assert found["00100010"]["Value"] == [{"Alphabetic": "DOE^JANE"}]
    assert found["00100030"] == {"vr": "DA"}, "a day nobody knows is none that DICOM can say"
    assert found["00400100"]["Value"][0]["00400002"]["Value"] == ["20260103"]
    archives.stored(archive, slide_of(label=picture()))
    work(archive, settings, clock)
    work(archive, settings, clock)
    assert stands(lab)[uid_from("series", "1", "1")][:2] == MATCHED[:2]
    assert listed(lab) == []


def test_a_cancelled_slide_leaves_the_worklist(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, order())
    work(archive, settings, clock)
    assert len(listed(lab)) == 1
    clock.move(60)
    gone = SlideSaid(Identifier(CODE), control="cancel")
    cases.take(lab, Order(Identifier("25P01234"), clock.now(), slides=(gone,)))
    work(archive, settings, clock)
    assert listed(lab) == []


def test_without_a_patient_nothing_is_scheduled(
    lab: Lab, archive: Archive, settings: config.Settings, clock: SetClock
) -> None:
    cases.take(lab, Order(Identifier("C"), NOW, slides=(SlideSaid(Identifier(CODE)),)))
    work(archive, settings, clock)
    assert listed(lab) == []
