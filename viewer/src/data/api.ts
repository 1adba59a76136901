// Written by `python -m lamelle.doors.web.typescript`; a test keeps it true. Do not edit.

export type Account = {
  login: string;
  name: string;
  email: string;
  rpps: string;
  roles: RoleItem[];
  totp: boolean;
  recovery_left: number;
  local: boolean;
};

export type Action = "view" | "view_label" | "export" | "store" | "delete" | "share" | "break_glass" | "schedule" | "report" | "validate" | "operate" | "administer" | "audit";

export type AuditItem = {
  number: number;
  at: string;
  actor: string;
  action: string;
  outcome: "success" | "refused" | "failed";
  purpose: string;
  place: number;
  address: string;
  session: string;
  study_uid: string;
  patient_id: string;
  issuer: string;
  subject: string;
  reason: string;
  detail: Record<string, JsonValue>;
};

export type AuditPage = {
  entries: AuditItem[];
  next: string | null;
};

export type AuditState = {
  entries: number;
  sound: boolean;
  findings: Finding[];
  checkpoint: CheckpointItem | null;
  waiting: number;
  receivers: Receiver[];
};

export type CheckpointItem = {
  number: number;
  at: string;
  key: string;
};

export type Code = {
  code: string;
};

export type Confirmation = {
  password: string;
};

export type Credentials = {
  login: string;
  password: string;
};

export type DemoAccount = {
  login: string;
  password: string;
  role: Role;
};

export type Emergency = {
  id: number;
  actor: string;
  name: string;
  patient_id: string;
  issuer: string;
  reason: string;
  at: string;
  until: string;
  studies: number;
  reviewed_at: string | null;
  reviewed_by: string;
  note: string;
};

export type EmergencyNew = {
  patient_id?: string;
  accession?: string;
  reason: string;
};

export type EmergencyOpened = {
  studies: string[];
  until: string;
};

export type EmergencyReview = {
  note: string;
};

export type Fact = {
  keyword: string;
  value: string;
};

export type Finding = {
  number: number;
  what: string;
};

export type Grant = {
  role: Role;
  purpose: Purpose;
  action: Action;
  within: "shared" | "department" | "establishment" | "everywhere";
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

export type JsonValue = unknown;

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

export type OneTimePassword = {
  password: string;
};

export type PasswordChange = {
  old: string;
  new: string;
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

export type PersonItem = {
  id: number;
  name: string;
  login: string;
};

export type PlaceChange = {
  name: string;
  finess?: string;
};

export type PlaceItem = {
  id: number;
  kind: "establishment" | "site" | "department";
  parent: number | null;
  name: string;
  finess: string;
};

export type PlaceNew = {
  kind: "establishment" | "site" | "department";
  parent: number | null;
  name: string;
  finess?: string;
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
};

export type Provider = {
  id: string;
  label: string;
};

export type Purpose = "care" | "opinion" | "research" | "teaching" | "operations";

export type PurposeChange = {
  purpose: Purpose;
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

export type Receiver = {
  receiver: string;
  sent: number;
};

export type RecoveryCodes = {
  recovery_codes: string[];
};

export type Role = "pathologist" | "resident" | "radiologist" | "technician" | "secretary" | "manager" | "researcher" | "teacher" | "student" | "archivist" | "administrator" | "protection_officer" | "expert" | "device";

export type RoleItem = {
  id: number;
  role: Role;
  place: number | null;
  place_name: string;
  until: string | null;
};

export type RoleNew = {
  role: Role;
  place: number | null;
  until?: string | null;
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
  signed_in: boolean;
  required: boolean;
  step: "" | "second_factor" | "new_password" | "set_up_factor";
  id: number;
  login: string;
  name: string;
  rights: ("read" | "label")[];
  languages: string[];
  purpose: Purpose;
  purposes: Purpose[];
  roles: RoleItem[];
  establishment: string;
  actions: Action[];
  providers: Provider[];
  demo: DemoAccount[];
  csrf: string;
  until: string | null;
};

export type SessionItem = {
  id: string;
  current: boolean;
  created_at: string;
  last_at: string;
  until: string;
  address: string;
  agent: string;
};

export type ShareItem = {
  id: number;
  guest_kind: "actor" | "place";
  guest_id: number;
  guest_name: string;
  purpose: Purpose;
  until: string | null;
  granted_by: string;
  granted_at: string;
  reason: string;
  emergency: boolean;
};

export type ShareNew = {
  guest_kind: "actor" | "place";
  guest_id: number;
  purpose: Purpose;
  days?: number | null;
  reason?: string;
};

export type SignedOut = {
  to: string;
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

export type TokenItem = {
  id: string;
  name: string;
  actions: Action[];
  created_at: string;
  until: string | null;
  last_at: string | null;
};

export type TokenMade = {
  token: string;
  item: TokenItem;
};

export type TokenNew = {
  name: string;
  actions: Action[];
  days: number;
};

export type Totp = {
  uri: string;
  secret: string;
};

export type UserChange = {
  name?: string | null;
  email?: string | null;
  rpps?: string | null;
  disabled?: boolean | null;
};

export type UserItem = {
  id: number;
  login: string;
  name: string;
  email: string;
  rpps: string;
  kind: "person" | "service";
  disabled: boolean;
  roles: RoleItem[];
  last_at: string | null;
  totp: boolean;
};

export type UserMade = {
  user: UserItem;
  password: string;
};

export type UserNew = {
  login: string;
  name?: string;
  email?: string;
  rpps?: string;
  kind?: "person" | "service";
  roles?: RoleNew[];
};

export type UserPage = {
  items: UserItem[];
  total: number;
};

export type Window = {
  center: number;
  width: number;
  name: string;
};
