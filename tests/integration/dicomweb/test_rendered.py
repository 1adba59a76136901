"""Pictures: rendered resources, and thumbnails that never show a label. Source: PS3.18 8.3.5."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms
from tests.integration.dicomweb.conftest import Client, application
from tests.integration.dicomweb.test_retrieve import parts, url_of

from lamelle.access.model import WHOLE
from lamelle.archive import thumbnails
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound
from lamelle.dicom import render
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing import instances
from lamelle.testing.archives import stored

RED, GREEN, BLUE, GREY = (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)


def tile(colour: tuple[int, int, int], side: int = 256) -> bytes:
    picture = np.full((side, side, 3), colour, np.uint8)
    return render.encoded([picture], "image/jpeg", quality=95)


def level(number: int, *colours: tuple[int, int, int], **attributes: Any) -> bytes:
    return instances.slide([tile(colour) for colour in colours], number=number, **attributes)


def flavored(flavor: str) -> list[str]:
    return ["ORIGINAL", "PRIMARY", flavor, "NONE"]


def picture(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def near(found: Any, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.asarray(found) - colour).max() <= 8)


def instance_url(number: int = 1) -> str:
    return url_of(instances.dataset(number=number))


def series_url() -> str:
    return instance_url().split("/instances")[0]


# -- rendered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/gif"])
def test_a_frame_of_a_slide(client: Client, archive: Archive, kind: str) -> None:
    stored(archive, [level(1, RED, GREEN)])
    answer = client.get(f"{instance_url()}/frames/2/rendered", {"accept": kind})
    assert answer.headers["content-type"] == kind
    assert near(picture(answer.content)[100, 100], GREEN)


def test_a_whole_slide_level_is_put_together(client: Client, archive: Archive) -> None:
    stored(archive, [level(1, RED, GREEN, BLUE, TotalPixelMatrixColumns=700)])
    whole = picture(client.get(f"{instance_url()}/rendered").content)
    assert whole.shape == (256, 700, 3)
    assert near(whole[9, 9], RED) and near(whole[9, 300], GREEN) and near(whole[9, 699], BLUE)


def test_tiles_of_a_sparse_level_lie_where_they_say(client: Client, archive: Archive) -> None:
    items = []
    for column, row in ((257, 257), (1, 1)):
        position, item = pydicom.Dataset(), pydicom.Dataset()
        position.ColumnPositionInTotalImagePixelMatrix, position.RowPositionInTotalImagePixelMatrix = column, row
        item.PlanePositionSlideSequence = [position]
        items.append(item)
    matrix = {"TotalPixelMatrixColumns": 512, "TotalPixelMatrixRows": 512}
    said = {"DimensionOrganizationType": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": items}
    stored(archive, [level(1, RED, GREEN, **matrix, **said)])
    whole = picture(client.get(f"{instance_url()}/rendered").content)
    assert near(whole[300, 300], RED) and near(whole[5, 5], GREEN) and near(whole[5, 300], (255, 255, 255))


def test_a_level_of_too_many_tiles_is_shown_by_a_smaller_one(archive: Archive) -> None:
    stored(archive, [level(1, RED, RED, RED, RED), level(2, GREEN, GREEN)])
    client = Client(application(archive, DicomwebSettings(render_tiles=2)))
    assert near(picture(client.get(f"{instance_url(1)}/rendered").content)[9, 9], GREEN)
    alone = Client(application(archive, DicomwebSettings(render_tiles=1)))
    assert alone.get(f"{instance_url(1)}/rendered").status_code == 413


def test_a_level_is_bounded_in_size(archive: Archive) -> None:
    stored(archive, [level(1, RED, GREEN, BLUE, GREY)])
    client = Client(application(archive, DicomwebSettings(render_side=128)))
    whole = picture(client.get(f"{instance_url()}/rendered").content)
    assert whole.shape == (32, 128, 3)
    assert near(whole[16, 16], RED) and near(whole[16, 112], GREY)


def test_windows_are_asked_or_stored(client: Client, archive: Archive) -> None:
    values = np.array([[0, 100, 200, 400]] * 4, np.uint16)
    stored(archive, [instances.instance(PixelData=values.tobytes(), WindowCenter="100", WindowWidth="200")])
    own = picture(client.get(f"{instance_url()}/rendered", {"accept": "image/png"}).content)[0, :, 0]
    assert own.tolist() == [1, 128, 255, 255] or own.tolist() == [0, 128, 255, 255]
    asked = client.get(f"{instance_url()}/rendered?window=200,400,linear-exact", {"accept": "image/png"})
    assert picture(asked.content)[0, :, 0].tolist() == [0, 64, 128, 255]
    sigmoid = client.get(f"{instance_url()}/rendered?window=200,400,sigmoid", {"accept": "image/png"})
    assert picture(sigmoid.content)[0, 2, 0] == 128


@pytest.mark.parametrize(
    "query",
    [
        "window=1,2",
        "window=1,2,cubic",
        "window=a,2,linear",
        "window=1,0,linear",
        "window=nan,2,linear",
        "viewport=1",
        "viewport=0,5",
        "viewport=a,5",
        "viewport=5,5,1",
        "viewport=5,5,1,1,0,0",
        "viewport=5,5,900,900,5,5",
        "viewport=inf,5",
        "quality=0",
        "quality=101",
        "quality=high",
        "iccprofile=cmyk",
        "quality=5&quality=6",
    ],
)
def test_malformed_parameters_are_400(client: Client, archive: Archive, query: str) -> None:
    stored(archive, [instances.instance()])
    assert client.get(f"{instance_url()}/rendered?{query}").status_code == 400


def test_viewports_cut_flip_and_keep_the_ratio(client: Client, archive: Archive) -> None:
    values = np.zeros((4, 8), np.uint16)
    values[:, 4:] = 4095
    stored(archive, [instances.instance(PixelData=values.tobytes(), Rows=4, Columns=8)])
    png = {"accept": "image/png"}
    box = picture(client.get(f"{instance_url()}/rendered?viewport=16,16", png).content)
    assert box.shape == (8, 16, 3)
    right = picture(client.get(f"{instance_url()}/rendered?viewport=4,4,4,0,4,4", png).content)
    assert right.min() == 255
    flipped = picture(client.get(f"{instance_url()}/rendered?viewport=8,4,,,-8,4", png).content)
    assert (flipped[0, 0, 0], flipped[0, 7, 0]) == (255, 0)


def test_annotations_are_refused_with_a_warning(client: Client, archive: Archive) -> None:
    stored(archive, [instances.instance()])
    answer = client.get(f"{instance_url()}/rendered?annotation=patient,technique")
    expected = "299 http://archive.test/dicomweb: The following annotation values are not supported: patient,technique"
    assert (answer.status_code, answer.headers["warning"]) == (200, expected)


def test_profiles_are_embedded_or_applied(client: Client, archive: Archive) -> None:
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = pydicom.Dataset()
    path.ICCProfile = swapped
    stored(archive, [level(1, RED, OpticalPathSequence=[path])])
    for mode, embedded in (("no", False), ("yes", True), ("srgb", True)):
        answer = client.get(f"{instance_url()}/frames/1/rendered?iccprofile={mode}")
        assert ("icc_profile" in Image.open(io.BytesIO(answer.content)).info) is embedded
        assert near(picture(answer.content)[9, 9], RED)
    assert client.get(f"{instance_url()}/frames/1/rendered?iccprofile=adobergb").status_code == 501


def test_moving_pictures_are_gif_or_parts(client: Client, archive: Archive) -> None:
    values = np.arange(3 * 16, dtype=np.uint16) * 80
    stored(archive, [instances.instance(PixelData=values.tobytes(), NumberOfFrames=3, FrameTime="40")])
    moving = Image.open(io.BytesIO(client.get(f"{instance_url()}/rendered", {"accept": "image/gif"}).content))
    assert getattr(moving, "n_frames", 1) == 3
    assert moving.info["duration"] == 40
    some = client.get(f"{instance_url()}/frames/1,3/rendered", {"accept": 'multipart/related; type="image/png"'})
    assert [headers["content-type"] for headers, _ in parts(some)] == ["image/png"] * 2
    assert client.get(f"{instance_url()}/frames/1,3/rendered", {"accept": "image/jpeg"}).status_code == 406


def test_a_series_is_one_picture_or_a_part_for_each_instance(client: Client, archive: Archive) -> None:
    stored(archive, [instances.instance(number=n) for n in (1, 2, 3)])
    study = series_url().split("/series")[0]
    for url in (series_url(), study):
        assert picture(client.get(f"{url}/rendered", {"accept": "image/png"}).content).shape == (4, 4, 3)
        many = client.get(f"{url}/rendered", {"accept": 'multipart/related; type="image/jpeg"'})
        assert len(parts(many)) == 3


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, [255, 170, 85, 0]),
        ({"PhotometricInterpretation": "MONOCHROME2"}, [0, 85, 170, 255]),
        ({"PresentationLUTShape": "INVERSE"}, [255, 170, 85, 0]),
        (
            {"RescaleSlope": "2", "RescaleIntercept": "-100", "WindowCenter": "0", "WindowWidth": "201"},
            [0, 255, 255, 255],
        ),
    ],
)
def test_grey_pipeline(client: Client, archive: Archive, attributes: dict[str, Any], expected: list[int]) -> None:
    values = np.array([[0, 1000, 2000, 3000]] * 4, np.uint16)
    stored(archive, [instances.instance(PixelData=values.tobytes(), **attributes)])
    found = picture(client.get(f"{instance_url()}/rendered", {"accept": "image/png"}).content)[0, :, 0]
    assert np.abs(found - expected).max() <= 1


def test_signed_samples_and_palettes(client: Client, archive: Archive) -> None:
    signed = np.array([[-1000, 0, 500, 1000]] * 4, np.int16)
    attributes: dict[str, Any] = {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1}
    table = np.array([0, 0x4000, 0x8000, 0xFF00], "<u2").tobytes()
    palette: dict[str, Any] = {
        "PhotometricInterpretation": "PALETTE COLOR",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
    }
    for colour in ("Red", "Green", "Blue"):
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        palette[f"{colour}PaletteColorLookupTableData"] = table if colour == "Red" else bytes(8)
    stored(
        archive,
        [
            instances.instance(PixelData=signed.tobytes(), **attributes),
            instances.instance(number=2, PixelData=bytes([0, 1, 2, 3] * 4), **palette),
        ],
    )
    png = {"accept": "image/png"}
    grey = picture(client.get(f"{instance_url(1)}/rendered", png).content)[0, :, 0]
    assert np.abs(grey - [0, 127, 191, 255]).max() <= 1
    red = picture(client.get(f"{instance_url(2)}/rendered", png).content)[0]
    assert np.abs(red[:, 0] - [0, 64, 128, 254]).max() <= 1
    assert red[:, 1:].max() == 0


# -- thumbnails --------------------------------------------------------------------------------------


def test_the_thumbnail_of_a_slide_is_its_thumbnail_image(client: Client, archive: Archive) -> None:
    label = level(3, BLUE, ImageType=flavored("LABEL"), SpecimenLabelInImage="YES")
    overview = level(4, BLUE, ImageType=flavored("OVERVIEW"))
    stored(archive, [level(1, RED, RED), level(2, GREEN, ImageType=flavored("THUMBNAIL")), label, overview])
    study = series_url().split("/series")[0]
    for url in (series_url(), study):
        answer = client.get(f"{url}/thumbnail")
        assert answer.headers["content-type"] == "image/jpeg"
        assert near(picture(answer.content)[100, 100], GREEN)


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageType": flavored("LABEL")},
        {"ImageType": flavored("OVERVIEW")},
        {"ImageType": flavored("LOCALIZER")},
        {"SpecimenLabelInImage": "YES"},
        {"BurnedInAnnotation": "YES"},
        {"ImageType": flavored("THUMBNAIL"), "SpecimenLabelInImage": "YES"},
    ],
)
def test_no_thumbnail_shows_a_label(client: Client, archive: Archive, attributes: dict[str, Any]) -> None:
    stored(archive, [level(1, BLUE, **attributes)])
    study = series_url().split("/series")[0]
    for url in (study, series_url(), instance_url(), f"{instance_url()}/frames/1"):
        answer = client.get(f"{url}/thumbnail")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_thumbnail")


def test_a_label_beside_the_volume_is_passed_over(client: Client, archive: Archive) -> None:
    stored(archive, [level(1, BLUE, SpecimenLabelInImage="YES"), level(2, GREEN, GREEN)])
    assert near(picture(client.get(f"{series_url()}/thumbnail").content)[50, 50], GREEN)


def test_thumbnails_are_at_most_512_and_fit_a_viewport(client: Client, archive: Archive) -> None:
    stored(archive, [level(1, *[RED] * 5)])
    assert picture(client.get(f"{series_url()}/thumbnail").content).shape == (102, 512, 3)
    assert picture(client.get(f"{series_url()}/thumbnail?viewport=100,100").content).shape == (20, 100, 3)


def test_radiology_shows_its_middle_instance(client: Client, archive: Archive) -> None:
    ramp = np.arange(16, dtype=np.uint16).tobytes()
    upside = np.arange(16, dtype=np.uint16)[::-1].tobytes()
    stored(archive, [instances.instance(number=n, PixelData=upside if n == 2 else ramp) for n in (1, 2, 3)])
    found = picture(client.get(f"{series_url()}/thumbnail").content)[:, :, 0]
    assert found[0, 0] > found[3, 3]


def test_the_job_makes_what_is_then_kept(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(archive, [level(1, RED)])
    made = instances.dataset()
    payload = {"study_uid": str(made.StudyInstanceUID), "series_uid": str(made.SeriesInstanceUID)}
    thumbnails.make(archive, payload)
    monkeypatch.setattr(thumbnails, "whole", lambda *_: pytest.fail("it was kept"))
    assert near(picture(thumbnails.of_series(archive, WHOLE, **payload))[9, 9], RED)


def test_the_job_takes_what_cannot_be_drawn(archive: Archive) -> None:
    stored(archive, [instances.slide([b"no jpeg"])])
    made = instances.dataset()
    payload = {"study_uid": str(made.StudyInstanceUID), "series_uid": str(made.SeriesInstanceUID)}
    thumbnails.make(archive, payload)
    thumbnails.make(archive, {"study_uid": "1.2", "series_uid": "1.3"})
    with pytest.raises(NotFound):
        thumbnails.of_series(archive, WHOLE, **payload)


def test_a_frame_that_cannot_be_decoded_is_an_error_not_a_crash(client: Client, archive: Archive) -> None:
    stored(archive, [instances.slide([b"no jpeg"])])
    for path in ("frames/1/rendered", "rendered"):
        answer = client.get(f"{instance_url()}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")
