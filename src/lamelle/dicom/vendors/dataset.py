"""The attributes of one VL Whole Slide Microscopy instance, all of it but the pixels.

Source: PS3.3 A.32.8 and its modules. Nothing here depends on the time of day or the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from lamelle.base.ids import uid_from
from lamelle.dicom.vendors import optics, specimen
from lamelle.dicom.vendors.facts import Code, SlideFacts
from lamelle.dicom.vendors.slide import Channel, FlatImage, Flavor, Frames, Level, Slide, clean

CONVERSION = "2"
"""Part of every UID: raise it when the same file must give other bytes."""
WSI_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SLIDE_WIDTH_MM = 25.0
"""The short side of a slide: the scale of overview and label images, whose files give none. Source: ISO 8037-1."""
UNKNOWN_TIME = datetime(1900, 1, 1)
"""Acquisition DateTime is type 1; this value says that neither the file nor the caller knew."""
DEPTH_UM = 1.0
"""Imaged depth of one plane where the file does not say."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The names all instances of one slide share."""

    seed: str
    container: str
    study: str
    series: str
    frame_of_reference: str
    pyramid: str

    @classmethod
    def of(cls, slide: Slide, facts: SlideFacts, stem: str) -> "Identity":
        """Derived from the file's fingerprint: the same file and facts give the same UIDs."""
        seed = f"{CONVERSION}:{slide.format}:{slide.fingerprint}"
        container = facts.container_id or clean(slide.barcode) or clean(stem) or "unnamed"
        study = facts.study_uid
        if not study:
            case = (facts.institution, facts.accession_number) if facts.accession_number else (seed,)
            study = uid_from("study", *case)
        series, place, pyramid = (uid_from(seed, role) for role in ("series", "frame of reference", "pyramid"))
        return cls(seed, container, study, series, place, pyramid)

    def instance(self, name: str) -> str:
        return uid_from(self.seed, "instance", name)


@dataclass(frozen=True, slots=True)
class Part:
    """One instance to write: an image, its frames, and where it stands."""

    name: str
    number: int
    flavor: Flavor
    image: Level | FlatImage
    frames: Frames
    mm_per_pixel: tuple[float, float]
    history: tuple[tuple[str, float], ...] = ()
    """(method, ratio) of each lossy step before this encoding"""
    source: str = ""
    """SOP Instance UID of the instance the pixels were computed from"""


def build(slide: Slide, facts: SlideFacts, names: Identity, part: Part) -> Dataset:
    """The whole header of `part`, in explicit little endian order of tags."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = WSI_STORAGE, names.instance(part.name)
    _patient(ds, facts)
    _study(ds, facts, names)
    _series(ds, slide, facts, names, part)
    _image(ds, slide, facts, part)
    _matrix(ds, slide, part)
    _groups(ds, slide, names, part)
    _compression(ds, part)
    specimen.write(ds, facts, names.container, names.seed)
    optics.write(
        ds, slide, _channels(slide, part), colored=part.frames.encoding.samples == 3, bits=part.frames.encoding.bits
    )
    if part.flavor in (Flavor.VOLUME, Flavor.THUMBNAIL):
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = names.frame_of_reference, "SLIDE_CORNER"
        ds.PyramidUID = names.pyramid
    else:
        ds.FrameOfReferenceUID = uid_from(names.seed, "frame of reference", part.name)
        ds.PositionReferenceIndicator = "SLIDE_CORNER"
    if part.flavor is Flavor.LABEL:
        ds.BarcodeValue, ds.LabelText = clean(slide.barcode, 1024), ""
    return ds


def _channels(slide: Slide, part: Part) -> tuple[Channel, ...]:
    return slide.channels if isinstance(part.image, Level) else (Channel(),)


def _patient(ds: Dataset, facts: SlideFacts) -> None:
    ds.PatientName, ds.PatientID, ds.PatientSex = facts.patient_name, facts.patient_id, facts.patient_sex
    ds.PatientBirthDate = f"{facts.patient_birth_date:%Y%m%d}" if facts.patient_birth_date else ""
    if facts.patient_id_issuer:
        ds.IssuerOfPatientID = facts.patient_id_issuer


def _study(ds: Dataset, facts: SlideFacts, names: Identity) -> None:
    ds.StudyInstanceUID = names.study
    ds.StudyDate = f"{facts.study_date:%Y%m%d}" if facts.study_date else ""
    ds.StudyTime = ds.ReferringPhysicianName = ds.StudyID = ""
    ds.AccessionNumber = facts.accession_number
    if facts.study_description:
        ds.StudyDescription = facts.study_description


def _series(ds: Dataset, slide: Slide, facts: SlideFacts, names: Identity, part: Part) -> None:
    ds.Modality, ds.SeriesInstanceUID, ds.SeriesNumber = "SM", names.series, 1
    scanner = slide.scanner
    ds.Manufacturer = clean(scanner.manufacturer) or "unknown"
    ds.ManufacturerModelName = clean(scanner.model) or "unknown"
    ds.DeviceSerialNumber = clean(scanner.serial) or "unknown"
    ds.SoftwareVersions = clean(scanner.software) or "unknown"
    if facts.institution:
        ds.InstitutionName = facts.institution
    converter = Dataset()
    converter.PurposeOfReferenceCodeSequence = specimen.code(Code("109103", "DCM", "Modifying Equipment"))
    converter.Manufacturer, converter.ManufacturerModelName = "Lamelle", "lamelle.dicom.vendors"
    converter.SoftwareVersions = f"conversion {CONVERSION}"
    converter.ContributionDescription = f"Written as DICOM from a file of format {slide.format}"
    ds.ContributingEquipmentSequence = [converter]


def _image(ds: Dataset, slide: Slide, facts: SlideFacts, part: Part) -> None:
    moment = slide.acquired or facts.acquired or UNKNOWN_TIME
    if moment.year < UNKNOWN_TIME.year:
        moment = UNKNOWN_TIME
    ds.AcquisitionDateTime = moment.strftime("%Y%m%d%H%M%S") + (moment.strftime("%z") if moment.tzinfo else "")
    ds.ContentDate, ds.ContentTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    ds.InstanceNumber = part.number
    ds.ImageType = _image_type(part)
    shows_label = part.flavor in (Flavor.LABEL, Flavor.OVERVIEW)
    ds.SpecimenLabelInImage = ds.BurnedInAnnotation = "YES" if shows_label else "NO"
    ds.FocusMethod, ds.ExtendedDepthOfField, ds.VolumetricProperties = "AUTO", "NO", "VOLUME"
    ds.AcquisitionContextSequence = []
    notes = []
    if part.image.derived:
        note = part.image.note if isinstance(part.image, Level) else ""
        ds.DerivationDescription = note or "decoded and encoded again by the converter"
    if "pixel_size_assumed" in slide.warnings and not shows_label:
        notes.append("Pixel size unknown: the value is assumed, do not measure.")
    if notes:
        ds.ImageComments = " ".join(notes)
    encoding = part.frames.encoding
    ds.SamplesPerPixel, ds.PhotometricInterpretation = encoding.samples, encoding.photometric
    if encoding.samples == 3:
        ds.PlanarConfiguration = 0
    else:
        ds.PresentationLUTShape, ds.RescaleIntercept, ds.RescaleSlope = "IDENTITY", "0", "1"
    ds.BitsAllocated = ds.BitsStored = encoding.bits
    ds.HighBit, ds.PixelRepresentation = encoding.bits - 1, 0
    ds.Rows, ds.Columns = part.frames.rows, part.frames.columns
    ds.NumberOfFrames = len(part.frames.lengths)


def _image_type(part: Part) -> list[str]:
    resampled = (isinstance(part.image, Level) and part.image.resampled) or part.flavor is Flavor.THUMBNAIL
    return [
        "DERIVED" if part.image.derived else "ORIGINAL", "PRIMARY", part.flavor.value,
        "RESAMPLED" if resampled else "NONE",
    ]  # fmt: skip


def _matrix(ds: Dataset, slide: Slide, part: Part) -> None:
    planes = slide.planes if isinstance(part.image, Level) else 1
    across, down = part.mm_per_pixel
    width, height = part.image.width * across, part.image.height * down
    ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows = part.image.width, part.image.height
    ds.TotalPixelMatrixFocalPlanes = planes
    ds.ImagedVolumeWidth, ds.ImagedVolumeHeight = width, height
    ds.ImagedVolumeDepth = max(DEPTH_UM, slide.plane_spacing_um * planes)
    origin = Dataset()
    # no format says where on the glass the scan lies: its corner nearest to the slide's origin is put there
    x, y = (-width * slide.orientation[axis] - height * slide.orientation[3 + axis] for axis in (0, 1))
    origin.XOffsetInSlideCoordinateSystem = _decimal(max(0.0, x))
    origin.YOffsetInSlideCoordinateSystem = _decimal(max(0.0, y))
    ds.TotalPixelMatrixOriginSequence = [origin]
    ds.ImageOrientationSlide = [str(cosine) for cosine in slide.orientation]
    ds.DimensionOrganizationType = "TILED_FULL"
    organization = Dataset()
    organization.DimensionOrganizationUID = uid_from(ds.SOPInstanceUID, "dimensions")
    ds.DimensionOrganizationSequence = [organization]


def _groups(ds: Dataset, slide: Slide, names: Identity, part: Part) -> None:
    shared, measures, kind = Dataset(), Dataset(), Dataset()
    across, down = part.mm_per_pixel
    measures.PixelSpacing = [_decimal(down), _decimal(across)]
    measures.SliceThickness = _decimal(max(DEPTH_UM, slide.plane_spacing_um) / 1000)
    if slide.planes > 1 and isinstance(part.image, Level):
        measures.SpacingBetweenSlices = _decimal(slide.plane_spacing_um / 1000)
    kind.FrameType = list(ds.ImageType)
    shared.PixelMeasuresSequence, shared.WholeSlideMicroscopyImageFrameTypeSequence = [measures], [kind]
    if part.source:
        shared.DerivationImageSequence = [_derivation(part.source)]
        series = Dataset()
        series.SeriesInstanceUID = names.series
        series.ReferencedInstanceSequence = [_reference(part.source)]
        ds.ReferencedSeriesSequence = [series]
    ds.SharedFunctionalGroupsSequence = [shared]


def _derivation(source: str) -> Dataset:
    item, image = Dataset(), _reference(source)
    item.DerivationCodeSequence = specimen.code(Code("113085", "DCM", "Spatial resampling"))
    image.PurposeOfReferenceCodeSequence = specimen.code(
        Code("121322", "DCM", "Source image for image processing operation")
    )
    item.SourceImageSequence = [image]
    return item


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = WSI_STORAGE, uid
    return item


def ratio(frames: Frames) -> float:
    """Uncompressed over compressed size."""
    encoding = frames.encoding
    whole = frames.rows * frames.columns * encoding.samples * (encoding.bits // 8) * len(frames.lengths)
    return round(whole / max(1, int(frames.lengths.sum())), 2)


def _compression(ds: Dataset, part: Part) -> None:
    steps: Sequence[tuple[str, float]] = part.history
    if part.frames.encoding.lossy:
        steps = (*steps, (part.frames.encoding.method, ratio(part.frames)))
    ds.LossyImageCompression = "01" if steps else "00"
    if steps:
        ds.LossyImageCompressionMethod = [method for method, _ in steps]
        ds.LossyImageCompressionRatio = [_decimal(value) for _, value in steps]


def _decimal(value: float) -> str:
    """A DS: at most 16 characters. Source: PS3.5 6.2."""
    for digits in range(12, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return "0"
