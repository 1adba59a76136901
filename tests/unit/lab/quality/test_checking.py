"""Scans are looked at, judged by the thresholds of their stain and scanner, and what follows from it is done."""

import io
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from tests.unit.lab.quality.conftest import Picture, on_glass, slide, taken

from lamelle.access.model import WHOLE, Reach
from lamelle.archive.store import Archive
from lamelle.audit.tables import pending
from lamelle.base import events, jobs
from lamelle.base.errors import Invalid, NotFound
from lamelle.lab import cases, quality
from lamelle.lab.quality import Limit
from lamelle.lab.records import scan
from lamelle.lab.records import slide as glass
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import stored
from lamelle.testing.laboratory import ORDER, TECHNICIAN, scanned

SHARP: Picture = on_glass(1024, 1536, (slice(128, 896), slice(256, 1280)))
WAITING = jobs.job.c.kind == quality.JOB
SLIDE = "25P01234-A-1-1"


def arrived(lab: Lab, archive: Archive, picture: Picture, series: str = "1.2.3", objective: str = "20") -> int:
    """A scan whose pixels are stored."""
    stored(archive, slide(picture, "1.2", series, objective=objective))
    with lab.db.write() as conn:
        values = {"study_uid": "1.2", "series_uid": series, "scanner": "A", "arrived_at": lab.clock.now()}
        adding = sa.insert(scan).values(**values, updated_at=lab.clock.now()).returning(scan.c.id)
        return int(conn.execute(adding).scalar_one())


def looked_at(lab: Lab, archive: Archive, number: int) -> quality.Found:
    quality.check(lab, archive, {"scan": number})
    with lab.db.read() as conn:
        found = quality.of(conn, WHOLE, number)
    assert found is not None
    return found


def values(found: quality.Found) -> dict[str, float | None]:
    return {measure.name: measure.value for measure in found.measures}


def kept(lab: Lab, number: int) -> str:
    with lab.db.read() as conn:
        return str(conn.execute(sa.select(scan.c.quality).where(scan.c.id == number)).scalar_one())


def told(lab: Lab, name: str) -> int:
    with lab.db.read() as conn:
        query = sa.select(sa.func.count()).select_from(events.event).where(events.event.c.name == name)
        return int(conn.execute(query).scalar_one())


def test_a_good_scan_passes(lab: Lab, archive: Archive) -> None:
    number = arrived(lab, archive, taken(SHARP))
    found = looked_at(lab, archive, number)
    assert (found.verdict, found.reasons) == ("pass", ())
    assert kept(lab, number) == "pass"
    assert values(found)["tissue_mm2"] == pytest.approx(768 * 1024 * 0.25e-6, rel=0.1)
    assert told(lab, "ScanChecked") == 1


def test_a_scan_out_of_focus_fails(lab: Lab, archive: Archive) -> None:
    found = looked_at(lab, archive, arrived(lab, archive, taken(SHARP, 3.0)))
    assert found.verdict == "fail"
    assert found.reasons[0] == "blurred"
    assert (values(found)["blurred"] or 0) > 0.9


def test_a_part_out_of_focus_is_warned_of_and_drawn(lab: Lab, archive: Archive) -> None:
    picture = taken(SHARP).copy()
    picture[:, 1024:] = taken(SHARP, 3.0)[:, 1024:]
    number = arrived(lab, archive, picture)
    found = looked_at(lab, archive, number)
    assert found.verdict == "warn" and "blurred" in found.reasons
    with lab.db.read() as conn:
        drawn = np.asarray(Image.open(io.BytesIO(quality.heatmap(conn, WHOLE, number, "focus"))))
        tissue = np.asarray(Image.open(io.BytesIO(quality.heatmap(conn, WHOLE, number, "tissue"))))
    assert drawn.shape[2] == 4
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(1.5, rel=0.05)
    clear, green, red = drawn[2, 2], drawn[16, 20], drawn[16, 36]
    assert clear[3] == 0
    assert green[3] and green[1] > green[0]
    assert red[3] and red[0] > red[1]
    assert tissue[16, 20, 3] > 100 and tissue[2, 2, 3] < 10


def test_a_blank_tile_is_found(lab: Lab, archive: Archive) -> None:
    picture = taken(SHARP).copy()
    picture[256:512, 512:768] = 255
    found = looked_at(lab, archive, arrived(lab, archive, picture))
    assert found.reasons == ("blank_mm2",)
    assert values(found)["blank_mm2"] == pytest.approx(0.0164, abs=0.0002)


def test_a_scale_its_objective_can_not_give_is_warned_of(lab: Lab, archive: Archive) -> None:
    found = looked_at(lab, archive, arrived(lab, archive, taken(SHARP), objective="40"))
    assert found.reasons == ("objective_ratio",)


def test_glass_without_tissue_is_told(lab: Lab, archive: Archive) -> None:
    empty = np.clip(np.random.default_rng(1).normal(243, 1.5, (1024, 1536, 3)), 0, 255).astype(np.uint8)
    found = looked_at(lab, archive, arrived(lab, archive, empty))
    assert (found.verdict, found.reasons) == ("warn", ("tissue_mm2", "no_tissue"))


def test_what_is_no_slide_is_not_judged(lab: Lab, archive: Archive) -> None:
    with lab.db.write() as conn:
        row = {"study_uid": "1.2", "series_uid": "9.9", "arrived_at": lab.clock.now(), "updated_at": lab.clock.now()}
        number = conn.execute(sa.insert(scan).values(**row).returning(scan.c.id)).scalar_one()
    found = looked_at(lab, archive, number)
    assert (found.verdict, found.reasons) == ("warn", ("no_such_series",))
    with lab.db.read() as conn, pytest.raises(NotFound):
        quality.heatmap(conn, WHOLE, number, "focus")


def test_looking_again_replaces_what_was_found(lab: Lab, archive: Archive) -> None:
    number = arrived(lab, archive, taken(SHARP))
    assert looked_at(lab, archive, number).verdict == looked_at(lab, archive, number).verdict
    quality.check(lab, archive, {"scan": number + 1})  # gone meanwhile


def test_out_of_reach_is_not_there(lab: Lab, archive: Archive) -> None:
    number = arrived(lab, archive, taken(SHARP))
    with lab.db.read() as conn, pytest.raises(NotFound):
        quality.of(conn, Reach(places=frozenset({2})), number)
    with pytest.raises(NotFound):
        quality.again(lab, Reach(places=frozenset({2})), TECHNICIAN, number)


def test_a_person_asks_again(lab: Lab, archive: Archive) -> None:
    number = arrived(lab, archive, taken(SHARP))
    quality.again(lab, WHOLE, TECHNICIAN, number)
    quality.again(lab, WHOLE, TECHNICIAN, number)
    with lab.db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(jobs.job).where(WAITING)).scalar() == 1
        assert conn.execute(sa.select(sa.func.count()).select_from(pending)).scalar() == 2
    runner = jobs.Runner(lab.db, {quality.JOB: lambda payload: quality.check(lab, archive, payload)}, lab.clock)
    runner.run_pending()
    assert kept(lab, number) == "pass"


# -- the slide of the scan -------------------------------------------------------------------------------------------


def matched(lab: Lab, archive: Archive, picture: Picture) -> int:
    """A scan of a slide of a case."""
    cases.take(lab, ORDER)
    stored(archive, slide(picture, "1.2", "1.2.3"))
    scanned(lab, SLIDE, "1.2.3")
    with lab.db.read() as conn:
        return int(conn.execute(sa.select(scan.c.id)).scalar_one())


def state(lab: Lab) -> str:
    with lab.db.read() as conn:
        return str(conn.execute(sa.select(glass.c.state).where(glass.c.identifier == SLIDE)).scalar_one())


def test_a_slide_is_available_once_its_scan_passed(lab: Lab, archive: Archive) -> None:
    number = matched(lab, archive, taken(SHARP))
    assert state(lab) == "scanned"
    looked_at(lab, archive, number)
    assert state(lab) == "available"


def test_a_person_decides_about_a_scan_that_failed(lab: Lab, archive: Archive) -> None:
    looked_at(lab, archive, matched(lab, archive, taken(SHARP, 3.0)))
    assert state(lab) == "scanned"
    assert told(lab, "RescanAsked") == 0


def test_nobody_has_to_when_settings_say_so(lab: Lab, archive: Archive) -> None:
    lab = replace(lab, settings=LabSettings(rescan="automatic"))
    number = matched(lab, archive, taken(SHARP, 3.0))
    looked_at(lab, archive, number)
    assert state(lab) == "rejected"
    looked_at(lab, archive, number)
    assert told(lab, "RescanAsked") == 1


# -- thresholds ------------------------------------------------------------------------------------------------------


def test_what_stands_nearest_to_a_scan_counts(lab: Lab, archive: Archive) -> None:
    number = arrived(lab, archive, taken(SHARP))
    looked_at(lab, archive, number)

    def verdict(*limits: Limit) -> str:
        quality.put(lab, TECHNICIAN, limits)
        with lab.db.read() as conn:
            found = quality.of(conn, WHOLE, number)
        assert found is not None
        return found.verdict

    assert verdict(Limit("", "", "spacing_um", 0.4, 0.45)) == "fail"
    assert verdict(Limit("", "A", "spacing_um", 0.4, None)) == "warn"
    assert verdict(Limit("", "B", "spacing_um", 0.1, 0.2)) == "warn"
    assert verdict(Limit("", "A", "spacing_um", None, None)) == "fail"
    assert verdict(Limit("", "", "spacing_um", None, None)) == "pass"


def test_thresholds_of_a_stain(lab: Lab, archive: Archive) -> None:
    """A slide's stain is what its order says; letters may be small or large."""
    number = matched(lab, archive, taken(SHARP))
    with lab.db.write() as conn:
        conn.execute(sa.update(glass).values(stain_text="HES"))
    looked_at(lab, archive, number)
    quality.put(lab, TECHNICIAN, (Limit("hes", "", "spacing_um", 0.1, 0.2), Limit("PAS", "", "blurred", 0.0, 0.0)))
    quality.judged(lab, {"scan": number})
    assert kept(lab, number) == "fail"


def test_thresholds_as_they_stand(lab: Lab) -> None:
    quality.put(lab, TECHNICIAN, (Limit("PAS", "", "blurred", 0.2, 0.5), Limit("", "", "gap_mm", 1.0, None)))
    with lab.db.read() as conn:
        found = {(one.stain, one.measure): one for one in quality.thresholds(conn)}
    assert found["PAS", "blurred"].fail == 0.5 and not found["PAS", "blurred"].default
    assert found["", "blurred"].default
    assert (found["", "gap_mm"].warn, found["", "gap_mm"].default) == (1.0, False)


@pytest.mark.parametrize(
    "limit",
    [
        Limit("", "", "beauty", 1.0, 2.0),
        Limit("", "", "blurred", 0.5, 0.2),
        Limit("", "", "covered", 0.8, 0.9),
        Limit("", "", "blurred", -1.0, None),
        Limit("", "", "blurred", float("nan"), None),
        Limit("x" * 101, "", "blurred", 0.1, None),
    ],
)
def test_thresholds_that_make_no_sense(lab: Lab, limit: Limit) -> None:
    with pytest.raises(Invalid) as raised:
        quality.put(lab, TECHNICIAN, (limit,))
    assert raised.value.code == "bad_threshold"
