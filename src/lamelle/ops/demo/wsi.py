"""Writes focal planes as native DICOM whole slide images, the way scanners that speak DICOM do.

One instance a level, TILED_FULL, all planes of the level inside it; a label beside them. Source: PS3.3 A.32.8.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, JPEGBaseline8Bit

from lamelle.base import ids
from lamelle.ops.demo import labels
from lamelle.ops.demo.cases import Case
from lamelle.ops.demo.labels import LabelText
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.svs import TILE, compress, shrink, tiles_of

WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"


def item(**elements: Any) -> Dataset:
    """A dataset from keywords."""
    out = Dataset()
    for keyword, value in elements.items():
        setattr(out, keyword, value)
    return out


def code(value: str, meaning: str, scheme: str = "SCT") -> Sequence:
    """A code sequence of one item."""
    return Sequence([item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def write(
    folder: Path, case: Case, block: str, text: LabelText, planes: tuple[float, ...], scene: Callable[[float], Scene]
) -> list[Path]:
    """Writes levels 1x, 4x and 16x and the label into `folder`; `scene` gives what is seen at a depth (micrometres)."""
    frames: dict[int, list[bytes]] = {1: [], 4: [], 16: []}
    sizes: dict[int, tuple[int, int]] = {}
    for z in planes:
        level = _base(scene(z), frames[1])
        for factor in (4, 16):
            frames[factor] += [compress(tile) for tile in tiles_of(level)]
            sizes[factor] = (level.shape[1], level.shape[0])
            level = shrink(level, 4)
    first = scene(planes[0])
    sizes[1] = (first.width, first.height)
    paths = []
    for number, factor in enumerate(frames, 1):
        flavour = "NONE" if factor == 1 else "RESAMPLED"
        mpp = first.mpp * first.width / sizes[factor][0]
        out = common(case, block, number, ["ORIGINAL" if factor == 1 else "DERIVED", "PRIMARY", "VOLUME", flavour])
        pixel_matrix(out, frames[factor], sizes[factor], (TILE, TILE), mpp, planes)
        paths.append(_save(out, folder / f"level{factor:02d}.dcm"))
    printed = labels.label(text)
    out = common(case, block, 9, ["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    size = (printed.shape[1], printed.shape[0])
    pixel_matrix(out, [compress(printed, 90)], size, size, 60.0, (0.0,))
    out.SpecimenLabelInImage, out.BurnedInAnnotation = "YES", "YES"
    out.LabelText, out.BarcodeValue = f"{text.barcode} {text.stain}", text.barcode
    paths.append(_save(out, folder / "label.dcm"))
    return paths


def _base(scene: Scene, frames: list[bytes]) -> Array:
    """Renders one plane's tiles into `frames`; returns it four times smaller."""
    low = np.empty((scene.height // 4, scene.width // 4, 3), np.uint8)
    for y in range(0, scene.height, TILE):
        for x in range(0, scene.width, TILE):
            tile = scene.block(x, y, TILE, TILE)
            frames.append(compress(tile))
            part = shrink(tile, 4)[: low.shape[0] - y // 4, : low.shape[1] - x // 4]
            low[y // 4 : y // 4 + part.shape[0], x // 4 : x // 4 + part.shape[1]] = part
    return low


def patient_and_study(case: Case) -> Dataset:
    """The modules every object of a case shares."""
    out = Dataset()
    out.SpecificCharacterSet = "ISO_IR 192"
    out.PatientName, out.PatientID = case.patient.name, case.patient.patient_id
    out.PatientBirthDate, out.PatientSex = case.patient.born.strftime("%Y%m%d"), case.patient.sex
    out.StudyInstanceUID, out.StudyID, out.AccessionNumber = case.study_uid, case.accession, case.accession
    out.StudyDate, out.StudyTime = case.when.strftime("%Y%m%d"), case.when.strftime("%H%M%S")
    out.StudyDescription, out.ReferringPhysicianName = case.title, "FICTIF^Docteur"
    out.Manufacturer, out.ManufacturerModelName = "Lamelle", "Demonstration"
    out.DeviceSerialNumber, out.SoftwareVersions = "DEMO1", "1"
    out.InstitutionName = "CHU LAMELLE (FICTIF)"
    return out


def common(case: Case, block: str, number: int, image_type: list[str]) -> Dataset:
    """What every instance of a slide says, without its pixels."""
    out = patient_and_study(case)
    out.SOPClassUID, out.SOPInstanceUID = WSI, ids.uid_from("lamelle demo", case.accession, block, str(number))
    out.Modality, out.SeriesNumber, out.InstanceNumber = "SM", 1, number
    out.SeriesInstanceUID = ids.uid_from("lamelle demo", "series", case.accession, block)
    out.SeriesDescription = "Frottis, 5 plans"
    out.FrameOfReferenceUID = ids.uid_from("lamelle demo", "frame", case.accession, block)
    out.PositionReferenceIndicator = "SLIDE_CORNER"
    out.ImageType = image_type
    out.ContentDate, out.ContentTime = out.StudyDate, out.StudyTime
    out.AcquisitionDateTime = out.StudyDate + out.StudyTime
    out.AcquisitionContextSequence = Sequence()
    out.VolumetricProperties, out.SpecimenLabelInImage, out.BurnedInAnnotation = "VOLUME", "NO", "NO"
    out.FocusMethod, out.ExtendedDepthOfField = "AUTO", "NO"
    out.LossyImageCompression, out.LossyImageCompressionRatio = "01", "12"
    out.LossyImageCompressionMethod = "ISO_10918_1"
    out.ContainerIdentifier, out.IssuerOfTheContainerIdentifierSequence = f"{case.accession}-{block}", Sequence()
    out.ContainerTypeCodeSequence = code("433466003", "Microscope slide")
    stain = item(ValueType="CODE", ConceptNameCodeSequence=code("424361007", "Using substance"))
    stain.ConceptCodeSequence = code("104217007", "Papanicolaou stain")
    step = item(ValueType="CODE", ConceptNameCodeSequence=code("111701", "Processing type", "DCM"))
    step.ConceptCodeSequence = code("127790008", "Staining")
    specimen = item(SpecimenIdentifier=f"{case.accession}-{block}", IssuerOfTheSpecimenIdentifierSequence=Sequence())
    specimen.SpecimenUID = ids.uid_from("lamelle demo", "specimen", case.accession, block)
    specimen.SpecimenPreparationSequence = Sequence(
        [item(SpecimenPreparationStepContentItemSequence=Sequence([step, stain]))]
    )
    specimen.PrimaryAnatomicStructureSequence = code("71252005", "Cervix uteri")
    out.SpecimenDescriptionSequence = Sequence([specimen])
    path = item(
        OpticalPathIdentifier="1", IlluminationTypeCodeSequence=code("111744", "Brightfield illumination", "DCM")
    )
    path.IlluminationColorCodeSequence = code("414298005", "Full Spectrum")
    path.ICCProfile, path.ColorSpace, path.ObjectiveLensPower = labels.profile(), "SRGB", "40"
    out.OpticalPathSequence = Sequence([path])
    return out


def pixel_matrix(
    out: Dataset,
    frames: list[bytes],
    size: tuple[int, int],
    tile: tuple[int, int],
    mpp: float,
    planes: tuple[float, ...],
) -> None:
    """Geometry and pixel data; `size` and `tile` are width, height."""
    out.SamplesPerPixel, out.PhotometricInterpretation, out.PlanarConfiguration = 3, "YBR_FULL_422", 0
    out.Rows, out.Columns, out.NumberOfFrames = tile[1], tile[0], len(frames)
    out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 8, 8, 7, 0
    out.TotalPixelMatrixColumns, out.TotalPixelMatrixRows = size
    out.TotalPixelMatrixFocalPlanes, out.NumberOfOpticalPaths = len(planes), 1
    out.ImagedVolumeWidth, out.ImagedVolumeHeight = size[0] * mpp / 1000, size[1] * mpp / 1000
    out.ImagedVolumeDepth = max(1.0, planes[-1] - planes[0])
    out.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    corner = item(XOffsetInSlideCoordinateSystem="20", YOffsetInSlideCoordinateSystem="40")
    corner.ZOffsetInSlideCoordinateSystem = f"{planes[0]:g}"  # micrometres; the planes above follow by their spacing
    out.TotalPixelMatrixOriginSequence = Sequence([corner])
    spacing = round(mpp / 1000, 10)
    measures = item(PixelSpacing=[spacing, spacing], SliceThickness="0.003")
    if len(planes) > 1:
        measures.SpacingBetweenSlices = (planes[1] - planes[0]) / 1000
    kind = item(FrameType=list(out.ImageType))
    shared = item(
        PixelMeasuresSequence=Sequence([measures]), WholeSlideMicroscopyImageFrameTypeSequence=Sequence([kind])
    )
    shared.OpticalPathIdentificationSequence = Sequence([item(OpticalPathIdentifier="1")])
    out.SharedFunctionalGroupsSequence = Sequence([shared])
    organisation = ids.uid_from(str(out.SOPInstanceUID), "dimensions")
    out.DimensionOrganizationType = "TILED_FULL"
    out.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID=organisation)])
    out.PixelData = encapsulate(frames, has_bot=True)
    out["PixelData"].VR = "OB"


def _save(out: Dataset, path: Path) -> Path:
    path.write_bytes(part10(out, JPEGBaseline8Bit))
    return path


def part10(out: Dataset, transfer_syntax: str) -> bytes:
    """The file of a dataset."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = out.SOPClassUID, out.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    out.file_meta = meta
    buffer = BytesIO()
    out.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
