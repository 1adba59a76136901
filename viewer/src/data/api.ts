// Written by `python -m lamelle.doors.web.typescript`; a test keeps it true. Do not edit.

export type Fact = {
  keyword: string;
  value: string;
};

export type ImportItem = {
  key: string;
  received_at: string | null;
  door: string;
  status: "conflict" | "refused";
  code: string;
  reason: string;
  name: string;
  size: number;
};

export type ImportPage = {
  recent: ReceivedStudy[];
  aside: ImportItem[];
};

export type LevelModel = {
  width: number;
  height: number;
  tile_width: number;
  tile_height: number;
  columns: number;
  rows: number;
  mm_per_pixel_x: number | null;
  mm_per_pixel_y: number | null;
  factor: number;
};

export type PathModel = {
  identifier: string;
  description: string;
  color: string | null;
  rgb: string | null;
  icc: boolean;
};

export type Patient = {
  id: string;
  name: string;
  birth_date: string | null;
  sex: string;
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
};

export type PyramidModel = {
  uid: string;
  label: string;
  levels: LevelModel[];
  planes_um: number[];
  paths: PathModel[];
  orientation: number[];
  origin_x_mm: number;
  origin_y_mm: number;
  objective: number | null;
};

export type ReceivedStudy = {
  uid: string;
  patient_name: string;
  accession: string;
  description: string;
  received_at: string;
  instances: number;
  series_uid: string;
  kind: "slide" | "stack" | "document" | "other";
};

export type SeriesItem = {
  uid: string;
  modality: string;
  description: string;
  number: number | null;
  instances: number;
  kind: "slide" | "stack" | "document" | "other";
  container: string;
  stain: string;
};

export type Session = {
  name: string;
  rights: ("read" | "label")[];
  languages: string[];
};

export type Slide = {
  uid: string;
  study_uid: string;
  slides_in_study: number;
  version: string;
  pyramids: PyramidModel[];
  container: string;
  stain: string;
  description: string;
  has_label: boolean;
  has_overview: boolean;
  facts: Fact[];
};

export type SlideCard = {
  uid: string;
  modality: string;
  description: string;
  number: number | null;
  instances: number;
  kind: "slide" | "stack" | "document" | "other";
  container: string;
  stain: string;
  width: number | null;
  height: number | null;
  objective: number | null;
  mm_per_pixel: number | null;
  planes: number;
  paths: number;
  has_label: boolean;
};

export type Stack = {
  uid: string;
  study_uid: string;
  modality: string;
  description: string;
  rows: number;
  columns: number;
  mm_per_pixel_x: number | null;
  mm_per_pixel_y: number | null;
  windows: Window[];
  images: StackImage[];
  facts: Fact[];
};

export type StackImage = {
  instance_uid: string;
  frame: number;
  position_mm: number | null;
};

export type Study = {
  uid: string;
  patient: Patient;
  accession: string;
  date: string | null;
  time: string | null;
  description: string;
  referring: string;
  series: SlideCard[];
};

export type StudyItem = {
  uid: string;
  patient: Patient;
  accession: string;
  date: string | null;
  time: string | null;
  description: string;
  modalities: string[];
  series_count: number;
  instance_count: number;
  series: SeriesItem[];
};

export type StudyPage = {
  items: StudyItem[];
  total: number;
  exact: boolean;
  offset: number;
};

export type Window = {
  center: number;
  width: number;
  name: string;
};
