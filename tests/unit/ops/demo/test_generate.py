"""The small demonstration: its files are what scanners write, and readers written by others open them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
import zxingcpp

from lamelle.dicom.vendors.sniffing import sniff
from lamelle.ops.demo import cases, ct, generate, svs
from lamelle.ops.demo.labels import LabelText, label


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every part of the small demonstration, made in this process."""
    root = tmp_path_factory.mktemp("demo")
    for part in generate.parts("small"):
        generate._make(part, root)
    return {part.name: root / part.name for part in generate.parts("small")}


@pytest.fixture
def slide(made: dict[str, Path]) -> Iterator[openslide.OpenSlide]:
    with openslide.OpenSlide(made["26H01234-A1-HES"] / "26H01234-A1-HES.svs") as opened:
        yield opened


def test_a_slide_is_a_whole_aperio_file(slide: openslide.OpenSlide) -> None:
    assert slide.properties["openslide.vendor"] == "aperio"
    assert slide.level_dimensions == ((1024, 768), (256, 192), (64, 48))
    assert set(slide.associated_images) == {"label", "macro", "thumbnail"}
    assert float(slide.properties["openslide.mpp-x"]) == 0.5
    assert slide.properties["aperio.Barcode"] == "26H01234-A1-HES"
    assert slide.properties["aperio.Date"] == "03/16/26"
    assert slide.color_profile is not None


def test_lower_levels_show_the_same_tissue(slide: openslide.OpenSlide) -> None:
    base = np.asarray(slide.read_region((0, 0), 0, (1024, 768)).convert("L"), float)
    low = np.asarray(slide.read_region((0, 0), 1, (256, 192)).convert("L"), float)
    assert np.abs(base.reshape(192, 4, 256, 4).mean((1, 3)) - low).mean() < 4


def test_the_label_is_read_by_a_barcode_reader(slide: openslide.OpenSlide) -> None:
    image = np.asarray(slide.associated_images["label"].convert("L"))
    assert [found.text for found in zxingcpp.read_barcodes(image)] == ["26H01234-A1-HES"]


def test_our_own_reader_knows_every_file(made: dict[str, Path]) -> None:
    kinds = {name: {sniff(path) for path in folder.iterdir()} for name, folder in made.items()}
    assert kinds["26H01234-A1-HES"] == {"svs"}
    assert kinds["26F00023-A2-IF"] == {"ome-tiff"}
    assert kinds["26C00417-L1-PAP"] == kinds["26R07731"] == {"dicom"}


@pytest.mark.filterwarnings("ignore:get_frame_offsets is deprecated")  # said by what wsidicom imports
def test_the_smear_opens_with_its_planes(made: dict[str, Path]) -> None:
    import wsidicom

    with wsidicom.WsiDicom.open(made["26C00417-L1-PAP"]) as smear:
        assert [level.size.width for level in smear.pyramids[0]] == [512, 128, 32]
        assert len(smear.levels[0].focal_planes) == 3
        sharp, blurred = (np.asarray(smear.read_region((0, 0), 0, (512, 512), z=z), float) for z in (3.0, 0.0))
    assert np.abs(sharp - blurred).mean() > 0.2


def test_the_fluorescence_slide_has_three_channels(made: dict[str, Path]) -> None:
    with tifffile.TiffFile(made["26F00023-A2-IF"] / "26F00023-A2-IF.ome.tiff") as opened:
        assert opened.series[0].axes == "CYX"
        assert opened.series[0].shape == (3, 512, 768)
        assert [channel.max() > 60 for channel in opened.series[0].asarray()] == [True, True, True]


def test_a_scan_is_in_hounsfield_units(made: dict[str, Path]) -> None:
    image = pydicom.dcmread(made["26R07731"] / "002.dcm")
    assert image.PixelSpacing == [ct.FIELD_MM / 64, ct.FIELD_MM / 64]
    assert image.pixel_array[0, 0] == pytest.approx(-1000, abs=60)
    assert image.pixel_array.max() > 200


def test_everything_comes_out_the_same_every_time(made: dict[str, Path], tmp_path: Path) -> None:
    part = next(part for part in generate.parts("small") if part.name == "26H01234-A1-HES")
    generate._make(part, tmp_path)
    (again,) = (tmp_path / part.name).iterdir()
    (first,) = made[part.name].iterdir()
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    for part in generate.parts("small"):
        (tmp_path / f"small-{generate.VERSION}" / part.name).mkdir(parents=True)
    seen: list[str] = []
    generate.generate(tmp_path, "small", lambda part: seen.append(part.name))
    assert len(seen) == len(generate.parts("small"))


def test_what_was_cut_short_is_made_again(tmp_path: Path) -> None:
    part = next(part for part in generate.parts("small") if part.name == "26R07731")
    (tmp_path / f".{part.name}").mkdir()
    (tmp_path / f".{part.name}" / "half").write_text("")
    generate._make(part, tmp_path)
    assert sorted(path.name for path in (tmp_path / part.name).iterdir()) == [
        "001.dcm",
        "002.dcm",
        "003.dcm",
        "004.dcm",
    ]


def test_jpeg_tables_and_image_make_the_picture_again() -> None:
    tile = svs.tiles_of(label(LabelText("LABO", "26H1", "X", "HE", "1")), 256).__next__()
    jpeg = svs.compress(tile)
    tables, image = svs.split_tables(jpeg)
    assert tables.startswith(b"\xff\xd8\xff\xdb")
    assert tables.endswith(b"\xff\xd9")
    assert b"\xff\xc4" not in image[: image.index(b"\xff\xda")]


def test_nobody_here_could_be_a_real_patient() -> None:
    for slide in cases.SLIDES:
        assert slide.case.patient.patient_id.startswith("DEMO-")
    assert len({part.name for part in generate.parts("full")}) == len(generate.parts("full")) == 14
