"""Which frame holds which tile; no pixels are needed to know."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid, NotFound
from lamelle.dicom import slide
from lamelle.dicom.slide import Image, Piece

Attributes = dict[str, dict[str, Any]]


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def instance(
    uid: str, width: int, height: int, *, tile: int = 256, planes: int = 1, paths: int = 1, **more: Any
) -> Attributes:
    columns, rows = -(-width // tile), -(-height // tile)
    found: Attributes = {
        "00080008": element("CS", "ORIGINAL", "PRIMARY", "VOLUME", "NONE"),
        "00080016": element("UI", slide.WSI_STORAGE),
        "00080018": element("UI", uid),
        "00200052": element("UI", "1.2.3"),
        "00280008": element("IS", columns * rows * planes * paths),
        "00280010": element("US", tile),
        "00280011": element("US", tile),
        "00480006": element("UL", width),
        "00480007": element("UL", height),
        "00480303": element("UL", planes),
        "00480105": element("SQ", *({"00480106": element("SH", str(i + 1))} for i in range(paths))),
        "00209311": element("CS", "TILED_FULL"),
        "52009229": element(
            "SQ",
            {"00289110": element("SQ", {"00280030": element("DS", 0.0005, 0.00025), "00180088": element("DS", 0.002)})},
        ),
    }
    found.update({tag.lstrip("_"): value for tag, value in more.items()})
    return found


def position(x: int, y: int, z: float = 0.0, path: str = "1") -> Attributes:
    return {
        "0048021A": element(
            "SQ", {"0048021E": element("SL", x + 1), "0048021F": element("SL", y + 1), "0040074A": element("DS", z)}
        ),
        "00480207": element("SQ", {"00480106": element("SH", path)}),
    }


def sparse(uid: str, width: int, height: int, positions: list[Attributes], **more: Any) -> Attributes:
    found = instance(uid, width, height, **more)
    found |= {"00209311": element("CS", "TILED_SPARSE"), "52009230": element("SQ", *positions)}
    return found | {"00280008": element("IS", len(positions))}


def test_tiled_full_order_of_the_standard() -> None:
    pyramid = slide.read([instance("1", 600, 300, planes=2, paths=2)]).pyramids[0]
    assert pyramid.tile(0, 0, 0, 1, "1")[1] == (Piece("1", 7),)
    assert pyramid.tile(0, 0, 0, 0, "2")[1] == (Piece("1", 13),)
    assert pyramid.tile(0, 2, 1, 1, "2")[1] == (Piece("1", 24),)
    assert pyramid.planes_um == (0.0, 2.0)


@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(1, 3), st.integers(1, 3))
def test_every_frame_of_tiled_full_is_one_tile(width: int, height: int, planes: int, paths: int) -> None:
    pyramid = slide.read([instance("1", width, height, planes=planes, paths=paths)]).pyramids[0]
    level = pyramid.levels[0]
    frames = [
        pyramid.tile(0, column, row, plane, path.identifier)[1][0].frame
        for path in pyramid.paths
        for plane in range(planes)
        for row in range(level.rows)
        for column in range(level.columns)
    ]
    assert frames == list(range(1, len(frames) + 1))


def test_levels_are_sorted_and_keep_their_own_factor() -> None:
    small, large = instance("2", 333, 167), instance("1", 1000, 500)
    pyramid = slide.read([small, large]).pyramids[0]
    assert [level.width for level in pyramid.levels] == [1000, 333]
    assert pyramid.levels[0].spacing == (0.00025, 0.0005)
    assert pyramid.levels[1].spacing == pytest.approx((0.00025 * 1000 / 333, 0.0005 * 500 / 167))


def test_a_concatenation_is_one_image() -> None:
    parts = [
        instance(f"1.{n}", 600, 300)
        | {"00209161": element("UI", "9"), "00209162": element("US", n), "00280008": element("IS", frames)}
        for n, frames in ((2, 4), (1, 2))
    ]
    pyramid = slide.read(parts).pyramids[0]
    assert pyramid.tile(0, 1, 0)[1] == (Piece("1.1", 2),)
    assert pyramid.tile(0, 2, 0)[1] == (Piece("1.2", 1),)
    assert pyramid.tile(0, 2, 1)[1] == (Piece("1.2", 4),)


def test_sparse_tiles_are_found_by_position_and_absent_ones_are_empty() -> None:
    positions = [position(256, 0), position(0, 256), position(256, 0, z=3.0), position(0, 0, path="2")]
    pyramid = slide.read([sparse("1", 512, 512, positions, paths=2)]).pyramids[0]
    assert pyramid.planes_um == (0.0, 3.0)
    assert pyramid.tile(0, 1, 0)[1] == (Piece("1", 1),)
    assert pyramid.tile(0, 0, 1)[1] == (Piece("1", 2),)
    assert pyramid.tile(0, 1, 0, 1)[1] == (Piece("1", 3),)
    assert pyramid.tile(0, 0, 0, 0, "2")[1] == (Piece("1", 4),)
    assert pyramid.tile(0, 0, 0)[1] == ()


def test_tiles_off_the_grid_are_composed_of_several_frames() -> None:
    pyramid = slide.read([sparse("1", 512, 256, [position(0, 0), position(200, 0)])]).pyramids[0]
    assert pyramid.tile(0, 0, 0)[1] == (Piece("1", 1), Piece("1", 2, 200, 0))
    assert pyramid.tile(0, 1, 0)[1] == (Piece("1", 2, -56, 0),)


def test_planes_and_paths_in_separate_instances_are_one_level() -> None:
    def at(uid: str, z: float, path: str) -> Attributes:
        return instance(uid, 256, 256) | {
            "00480008": element("SQ", {"0040074A": element("DS", z)}),
            "00480105": element("SQ", {"00480106": element("SH", path)}),
        }

    pyramid = slide.read([at("1", 0, "a"), at("2", 4, "a"), at("3", 0, "b")]).pyramids[0]
    assert len(pyramid.levels) == 1
    assert [p.identifier for p in pyramid.paths] == ["a", "b"]
    assert pyramid.tile(0, 0, 0, 1, "a")[1] == (Piece("2", 1),)
    assert pyramid.tile(0, 0, 0, 0, "b")[1] == (Piece("3", 1),)


def test_a_plane_a_level_lacks_is_answered_by_its_nearest() -> None:
    pyramid = slide.read([instance("1", 512, 512, planes=3), instance("2", 256, 256)]).pyramids[0]
    assert pyramid.tile(1, 0, 0, 2)[1] == (Piece("2", 1),)


def test_pyramid_uids_and_shapes_keep_scanned_areas_apart() -> None:
    named = [instance(str(n), 1000 * n, 500, _00080019=element("UI", f"7.{n}")) for n in (1, 2)]
    assert [p.uid for p in slide.read(named).pyramids] == ["7.2", "7.1"]
    shapes = [instance("1", 1000, 500), instance("2", 400, 400), instance("3", 500, 250)]
    assert [len(p.levels) for p in slide.read(shapes).pyramids] == [2, 1]


def test_label_and_overview_stay_out_of_the_pyramid() -> None:
    label, overview = (
        instance(uid, 100, 50) | {"00080008": element("CS", "ORIGINAL", "PRIMARY", flavor, "NONE")}
        for uid, flavor in (("8", "LABEL"), ("9", "OVERVIEW"))
    )
    found = slide.read([label, instance("1", 1000, 500), overview])
    assert [len(p.levels) for p in found.pyramids] == [1]
    assert found.label and found.overview
    assert (found.label.sop_uid, found.overview.sop_uid) == ("8", "9")


def test_a_thumbnail_that_repeats_a_level_is_left_out_of_it() -> None:
    thumbnail = instance(
        "2", 512, 512, tile=512, _00080008=element("CS", "DERIVED", "PRIMARY", "THUMBNAIL", "RESAMPLED")
    )
    pyramid = slide.read([thumbnail, instance("1", 512, 512)]).pyramids[0]
    assert [image.sop_uid for image in pyramid.levels[0].images] == ["1"]


@pytest.mark.parametrize("tile", [(1, 0, 0), (0, 3, 0), (0, 0, 2), (0, -1, 0)])
def test_outside_is_not_found(tile: tuple[int, int, int]) -> None:
    pyramid = slide.read([instance("1", 600, 300)]).pyramids[0]
    with pytest.raises(NotFound):
        pyramid.tile(*tile)
    with pytest.raises(NotFound):
        pyramid.tile(0, 0, 0, 1)
    with pytest.raises(NotFound):
        pyramid.tile(0, 0, 0, 0, "no such path")


def test_no_slide_is_invalid() -> None:
    with pytest.raises(Invalid):
        slide.read([{"00080016": element("UI", "1.2.840.10008.5.1.4.1.1.2")}])


def volumes(folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(folder.glob("*.dcm")):
        yield pydicom.dcmread(path, stop_before_pixels=True).to_json_dict()


def frames(image: Image) -> list[Piece]:
    return [p for row in range(image.rows) for column in range(image.columns) for p in image.pieces(column, row, 0, 0)]


def test_a_real_biopsy_with_six_levels(shared_data: Path) -> None:
    found = slide.read(volumes(shared_data / "wsi/dicom/cytomine_studyA"))
    assert [level.width for level in found.pyramids[0].levels] == [9385, 4692, 2346, 1173, 586, 293]
    for level in found.pyramids[0].levels:
        image = level.images[0]
        assert sorted(p.frame for p in frames(image)) == list(range(1, image.parts[0].frames + 1))


def test_a_real_slide_with_label_and_overview(shared_data: Path) -> None:
    found = slide.read(volumes(shared_data / "wsi/dicom/CMU-1-Small-Region_dicom"))
    assert (found.pyramids[0].levels[0].width, found.pyramids[0].levels[0].height) == (2220, 2967)
    assert found.label and found.overview


def palette(red: bytes, green: bytes, blue: bytes) -> dict[str, Any]:
    """Segmented tables that rise from nothing to a 16-bit value for each colour."""
    tables = zip(("00281221", "00281222", "00281223"), (red, green, blue), strict=True)
    rise = b"\0\0\1\0\0\0\1\0\xff\0"
    return {tag: {"vr": "OW", "InlineBinary": b64encode(rise + end).decode()} for tag, end in tables}


@pytest.mark.parametrize(
    ("channel", "rgb"),
    [
        ({"00480120": element("SQ", palette(b"\xff\xff", b"\0\x80", b"\0\0"))}, "ff8000"),
        ({"00480120": element("SQ", palette(b"\0\0", b"\0\0", b"\0\0")), "00220055": element("FL", 495.0)}, "00ff00"),
        ({"00220055": element("FL", 358.0)}, "0000ff"),
        ({"00220055": element("FL", 750.0)}, "ff00ff"),
        ({}, "0000ff"),
    ],
)
def test_a_channel_has_the_colour_the_slide_says_or_its_dye_is_known_by(channel: dict[str, Any], rgb: str) -> None:
    path = element("SQ", {"00480106": element("SH", "1"), **channel})
    grey = instance("1", 600, 300) | {"00480105": path, "00280004": element("CS", "MONOCHROME2")}
    assert slide.read([grey]).pyramids[0].paths[0].rgb == rgb
    colour = grey | {"00280004": element("CS", "RGB")}
    assert slide.read([colour]).pyramids[0].paths[0].rgb is None
