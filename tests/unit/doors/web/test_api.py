"""The JSON of the pages and the tiles, over a real archive."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount

from lamelle.access.decide import TABLE
from lamelle.access.model import WHOLE
from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.doors.web.api import api
from lamelle.doors.web.settings import WebSettings
from lamelle.doors.web.tiles import TilesFastPath
from lamelle.testing import instances, pictures
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.browser import client
from lamelle.testing.guarded import open_to_all
from lamelle.testing.people import CHEAP
from lamelle.testing.pictures import SlideShape

SERIES = uid_from("series", "biopsy", "a")
SHAPE = SlideShape(planes=2)
Ask = Callable[..., Any]


def opened(folder: Path) -> Archive:
    archive = Archive.open(ArchiveSettings(folder, reserve_bytes=0), SetClock())
    stored(archive, pictures.slide("biopsy", "a", SHAPE, PatientName="Martin^Zoé", AccessionNumber="B26"))
    stored(archive, [instances.instance("chest", "ct", n, InstanceNumber=n) for n in (1, 2, 3)])
    return archive


def asked(archive: Archive, settings: WebSettings | None = None) -> Ask:
    access = Access.open(archive.db, archive.clock, CHEAP)
    app = Starlette(routes=[Mount("/api", api(archive, access, settings or WebSettings()))])
    return client(open_to_all(TilesFastPath(app, archive)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Only read by the tests of this module."""
    found = opened(tmp_path_factory.mktemp("web"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def ask(archive: Archive) -> Ask:
    return asked(archive)


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Archive]:
    found = opened(tmp_path)
    yield found
    found.close()


def picture(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_the_list_has_every_study_with_its_series(ask: Ask) -> None:
    page = ask("/api/studies").json()
    assert (page["total"], page["exact"]) == (2, True)
    slide = next(item for item in page["items"] if item["accession"] == "B26")
    assert slide["patient"]["name"] == "Martin Zoé"
    assert [(s["kind"], s["container"]) for s in slide["series"]] == [("slide", "Sbiopsy-a")]
    stack = next(item for item in page["items"] if item["accession"] != "B26")
    assert stack["series"][0]["kind"] == "stack"
    assert stack["date"] == "2026-01-02"


@pytest.mark.parametrize("word", ["martin", "zo", "Pbiopsy", "B26", "Sbiopsy-a"])
def test_search_finds_by_name_id_accession_and_container(ask: Ask, word: str) -> None:
    page = ask(f"/api/studies?q={word}").json()
    assert [item["accession"] for item in page["items"]] == ["B26"]
    assert page["total"] == 1


def test_a_word_that_finds_more_than_is_read_through_says_so(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("/api/studies?q=martin").json()["exact"]
    monkeypatch.setattr("lamelle.doors.web.studies.MERGED", 0)
    assert not ask("/api/studies?q=martin").json()["exact"]


@pytest.mark.parametrize("query", ["q=nobody", "modality=MR", "from=2027-01-01", "q=martin&modality=CT", "q=*%3F%5C"])
def test_what_matches_nothing_is_an_empty_page(ask: Ask, query: str) -> None:
    answer = ask(f"/api/studies?{query}")
    assert answer.status_code == 200
    assert answer.json()["items"] == [] or "%5C" in query


@pytest.mark.parametrize("query", ["limit=0", "limit=9999", "offset=-1", "from=yesterday", "modality=a%20b"])
def test_bad_parameters_are_problems(ask: Ask, query: str) -> None:
    answer = ask(f"/api/studies?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "bad_parameter"


def test_a_study_has_a_card_for_each_slide(ask: Ask) -> None:
    study = ask(f"/api/studies/{uid_from('study', 'biopsy')}").json()
    card = study["series"][0]
    assert (card["width"], card["height"], card["objective"], card["planes"]) == (2000, 1300, 20, 2)
    assert card["mm_per_pixel"] == pytest.approx(pictures.MM_PER_PIXEL)
    assert card["has_label"]


def test_a_slide_is_described(ask: Ask) -> None:
    slide = ask(f"/api/slides/{SERIES}").json()
    levels = slide["pyramids"][0]["levels"]
    assert [(level["width"], level["columns"], level["rows"]) for level in levels] == [
        (2000, 8, 6),
        (666, 3, 2),
        (250, 1, 1),
    ]
    assert levels[1]["factor"] == pytest.approx(2000 / 666)
    assert slide["pyramids"][0]["planes_um"] == [0.0, 3.0]
    assert slide["has_label"] and slide["has_overview"]


def test_a_tile_is_the_stored_frame(ask: Ask, archive: Archive) -> None:
    version = ask(f"/api/slides/{SERIES}").json()["version"]
    answer = ask(f"/api/slides/{SERIES}/levels/0/tiles/2/1?z=1&v={version}")
    name = uid_from("study", "biopsy"), SERIES, uid_from("instance", "biopsy", "a", "1")
    assert answer.content == archive.retrieve.opened(WHOLE, *name).frame(48 + 8 + 3)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    assert "immutable" not in ask(f"/api/slides/{SERIES}/levels/0/tiles/2/1?v=old").headers["cache-control"]
    assert "immutable" not in ask(f"/api/slides/{SERIES}/levels/0/tiles/2/1").headers["cache-control"]


def test_a_tile_in_srgb_is_rendered(ask: Ask) -> None:
    tile = picture(ask(f"/api/slides/{SERIES}/levels/0/tiles/1/1?icc=srgb").content)
    wanted = pictures.pattern(2000, 1300)[256:512, 256:512].astype(int)
    assert np.abs(tile - wanted).mean() < 2


@pytest.mark.parametrize(
    ("tile", "status", "code"),
    [
        ("levels/0/tiles/8/0", 404, "no_such_tile"),
        ("levels/3/tiles/0/0", 404, "no_such_tile"),
        ("levels/0/tiles/0/0?z=2", 404, "no_such_tile"),
        ("levels/0/tiles/0/0?path=zz", 404, "no_such_path"),
        ("levels/0/tiles/0/0?pyramid=1", 404, "no_such_tile"),
        ("levels/x/tiles/0/0", 400, "bad_tile"),
        ("levels/0/tiles/0/-1", 400, "bad_tile"),
        ("levels/0/tiles/0", 404, "no_such_page"),
    ],
)
def test_tiles_that_are_not_there(ask: Ask, tile: str, status: int, code: str) -> None:
    for _ in range(2):  # before and after the slide is known
        answer = ask(f"/api/slides/{SERIES}/{tile}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_slide_that_grows_changes_its_version(growing: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamelle.doors.web.slides.FRESH_S", 0.0)
    ask = asked(growing)
    before = ask(f"/api/slides/{SERIES}").json()
    assert ask(f"/api/slides/{SERIES}").json()["version"] == before["version"]
    stored(growing, [pictures.level("biopsy", "a", 9, 16, SHAPE, PatientName="Martin^Zoé", AccessionNumber="B26")])
    after = ask(f"/api/slides/{SERIES}").json()
    assert after["version"] != before["version"]
    assert len(after["pyramids"][0]["levels"]) == 4


@pytest.mark.parametrize(("image", "size"), [("label", (200, 300, 3)), ("overview", (200, 600, 3))])
def test_label_and_overview(ask: Ask, image: str, size: tuple[int, ...]) -> None:
    assert picture(ask(f"/api/slides/{SERIES}/{image}").content).shape == size


def test_a_thumbnail_shows_tissue(ask: Ask) -> None:
    answer = ask(f"/api/series/{SERIES}/thumbnail")
    assert answer.headers["content-type"] == "image/jpeg"
    height, width, _ = picture(answer.content).shape
    assert max(width, height) <= 512
    assert width / height == pytest.approx(2000 / 1300, rel=0.03)


def test_a_stack_is_in_order(ask: Ask) -> None:
    stack = ask(f"/api/series/{uid_from('series', 'chest', 'ct')}/stack").json()
    assert [image["instance_uid"] for image in stack["images"]] == [
        uid_from("instance", "chest", "ct", str(n)) for n in (1, 2, 3)
    ]
    assert (stack["rows"], stack["columns"], stack["modality"]) == (4, 4, "CT")


def test_the_file_of_a_series(ask: Ask) -> None:
    answer = ask(f"/api/series/{uid_from('series', 'chest', 'ct')}/file")
    assert answer.content == instances.instance("chest", "ct", 1, InstanceNumber=1)


@pytest.mark.parametrize(
    "address", ["studies/1.2.3", "slides/1.2.3", "series/1.2.3/stack", "series/1.2.3/thumbnail", "nothing"]
)
def test_what_is_not_there_is_a_problem(ask: Ask, address: str) -> None:
    answer = ask(f"/api/{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_ct_is_no_slide(ask: Ask) -> None:
    answer = ask(f"/api/slides/{uid_from('series', 'chest', 'ct')}")
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_slide")


def test_imports_say_what_came_and_what_was_put_aside(growing: Archive) -> None:
    ask = asked(growing)
    store(growing, b"not DICOM at all", instances.instance("chest", "ct", 1, PatientName="Other"))
    page = ask("/api/imports").json()
    assert {item["status"] for item in page["aside"]} == {"conflict", "refused"}
    assert all(item["code"] and item["reason"] and item["received_at"] for item in page["aside"])
    assert {(study["accession"], study["kind"]) for study in page["recent"]} == {("B26", "slide"), ("Achest", "stack")}


def test_a_session_names_rights_and_languages(ask: Ask) -> None:
    session = ask("/api/session", accept_language="fr-FR,fr;q=0.9,en;q=0.8").json()
    assert session["languages"] == ["fr-FR", "fr", "en"]
    assert "label" in session["rights"]


def test_who_may_not_see_labels_sees_none(archive: Archive) -> None:
    ask = asked(archive, WebSettings(show_labels=False))
    assert ask("/api/session").json()["rights"] == ["read"]
    for image in ("label", "overview"):
        answer = ask(f"/api/slides/{SERIES}/{image}")
        assert (answer.status_code, answer.json()["code"]) == (403, "label_hidden")
    slide = ask(f"/api/slides/{SERIES}").json()
    assert not slide["has_label"] and not slide["has_overview"]
    study = ask(f"/api/studies/{uid_from('study', 'biopsy')}").json()
    assert not study["series"][0]["has_label"]


def test_channels_add_up_in_their_colours(growing: Archive) -> None:
    paths = [pydicom.Dataset(), pydicom.Dataset()]
    for number, path in enumerate(paths, 1):
        path.OpticalPathIdentifier, path.IlluminationWaveLength = str(number), 358.0 if number == 1 else 495.0
    frames = [pictures.jpeg(np.full((256, 256), grey, np.uint8)) for grey in (200, 100)]
    grey: dict[str, Any] = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "TotalPixelMatrixColumns": 256,
    }
    tiled: dict[str, Any] = {
        "DimensionOrganizationType": "TILED_FULL",
        "NumberOfOpticalPaths": 2,
        "OpticalPathSequence": paths,
    }
    stored(growing, [instances.slide(frames, "kidney", "if", **grey, **tiled)])
    ask, series = asked(growing), uid_from("series", "kidney", "if")
    assert [p["rgb"] for p in ask(f"/api/slides/{series}").json()["pyramids"][0]["paths"]] == ["0000ff", "00ff00"]

    def shown(channels: str) -> list[int]:
        tile = picture(ask(f"/api/slides/{series}/levels/0/tiles/0/0?channels={channels}").content)
        return [round(value) for value in tile.mean(axis=(0, 1)).tolist()]

    assert np.allclose(shown("1:0000ff,2:00ff00"), [0, 100, 200], atol=2)
    preview = picture(ask(f"/api/series/{series}/thumbnail").content)
    assert preview.shape[:2] == (256, 256)
    assert np.allclose(preview.mean(axis=(0, 1)), [0, 100, 200], atol=2)
    assert np.allclose(shown("1:ff0000"), [200, 0, 0], atol=2)
    assert np.allclose(shown("1:ffffff,2:ffffff"), [255, 255, 255], atol=2)
    for wrong in ("1", "1:red", ",".join(["1:ffffff"] * 17)):
        assert ask(f"/api/slides/{series}/levels/0/tiles/0/0?channels={wrong}").status_code == 400
    assert ask(f"/api/slides/{series}/levels/0/tiles/0/0?channels=9:ffffff").status_code == 404


def test_roles_say_what_the_table_says(ask: Ask) -> None:
    grants = ask("/api/roles").json()
    assert len(grants) == sum(map(len, TABLE.values()))
    assert {"role": "student", "purpose": "teaching", "action": "view", "within": "shared"} in grants
