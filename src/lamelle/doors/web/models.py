"""The JSON the pages read; the TypeScript types in viewer/src/data/api.ts are written from these.

Names and texts are as the DICOM says; a date is ISO 8601, or null when the DICOM has none that can be read.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Patient(Model):
    id: str
    name: str
    birth_date: str | None
    sex: str


class SeriesItem(Model):
    """One series: one scanned slide, one CT series, one report."""

    uid: str
    modality: str
    description: str
    number: int | None
    instances: int
    kind: Literal["slide", "stack", "document", "other"]
    container: str
    stain: str


class SlideCard(SeriesItem):
    """A series with what its card shows; sizes are null when it is no slide."""

    width: int | None
    height: int | None
    objective: float | None
    mm_per_pixel: float | None
    planes: int
    paths: int
    has_label: bool


class StudyItem(Model):
    uid: str
    patient: Patient
    accession: str
    date: str | None
    time: str | None
    description: str
    modalities: list[str]
    series_count: int
    instance_count: int
    series: list[SeriesItem]


class StudyPage(Model):
    """`total` counts what is known to be found; without `exact` there are more, and a further page knows more."""

    items: list[StudyItem]
    total: int
    exact: bool
    offset: int


class Study(Model):
    uid: str
    patient: Patient
    accession: str
    date: str | None
    time: str | None
    description: str
    referring: str
    series: list[SlideCard]


class LevelModel(Model):
    """One resolution; level 0 is the largest. Tiles at the right and bottom edges are padded to the full size."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    columns: int
    rows: int
    mm_per_pixel_x: float | None
    mm_per_pixel_y: float | None
    factor: float


class PathModel(Model):
    """`rgb` is the colour a grey channel is shown in, as six hexadecimal digits; null when the image has its own."""

    identifier: str
    description: str
    color: str | None
    rgb: str | None
    icc: bool


class PyramidModel(Model):
    """`planes_um` are heights above the glass; `orientation` the direction cosines of a row, then of a column."""

    uid: str
    label: str
    levels: list[LevelModel]
    planes_um: list[float]
    paths: list[PathModel]
    orientation: list[float]
    origin_x_mm: float
    origin_y_mm: float
    objective: float | None


class Fact(Model):
    """One line of the metadata panel: a DICOM keyword and its value as text."""

    keyword: str
    value: str


class Slide(Model):
    """`version` changes when images arrive; in a tile's address it makes the tile last for ever.

    `case` is the case of the laboratory it belongs to, null when it is matched to none.
    """

    uid: str
    study_uid: str
    case: int | None = None
    slides_in_study: int
    version: str
    pyramids: list[PyramidModel]
    container: str
    stain: str
    description: str
    has_label: bool
    has_overview: bool
    facts: list[Fact]


class StackImage(Model):
    """One image of a stack: `frame` counts from 1; the window is what the DICOM recommends."""

    instance_uid: str
    frame: int
    position_mm: float | None


class Window(Model):
    center: float
    width: float
    name: str


class Stack(Model):
    uid: str
    study_uid: str
    modality: str
    description: str
    rows: int
    columns: int
    mm_per_pixel_x: float | None
    mm_per_pixel_y: float | None
    windows: list[Window]
    images: list[StackImage]
    facts: list[Fact]


class ImportItem(Model):
    """Something that could not be kept as it came; `name` is the file it came in, without its folder."""

    key: str
    received_at: str | None
    door: str
    status: Literal["conflict", "refused"]
    code: str
    reason: str
    name: str
    size: int


class ReceivedStudy(Model):
    """A study that grew lately, with one series to show it by."""

    uid: str
    patient_name: str
    accession: str
    description: str
    received_at: str
    instances: int
    series_uid: str
    kind: Literal["slide", "stack", "document", "other"]


class ImportPage(Model):
    recent: list[ReceivedStudy]
    aside: list[ImportItem]


class Problem(Model):
    """Source: RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
