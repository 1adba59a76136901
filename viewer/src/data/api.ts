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

export type Action = "read" | "view" | "view_label" | "export" | "store" | "delete" | "share" | "break_glass" | "schedule" | "report" | "validate" | "operate" | "administer" | "audit";

export type AssignmentNew = {
  actor: number | null;
};

export type AttachmentItem = {
  id: number;
  kind: string;
  title: string;
  media_type: string;
  study_uid: string;
  series_uid: string;
  sop_uid: string;
  added_by: string;
  added_at: string;
};

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

export type BlockNode = {
  id: number;
  identifier: string;
  state: string;
  description: string;
  location: string;
  destroy_on: string | null;
  slides: SlideNode[];
};

export type Candidate = {
  slide: DeskSlide;
  why: string[];
  exact: boolean;
};

export type Case = {
  id: number;
  accession: string;
  patient: CasePatient;
  state: "registered" | "ready" | "reading" | "waiting" | "preliminary" | "validated" | "reopened" | "cancelled";
  urgency: "routine" | "urgent" | "stat";
  frozen: boolean;
  department: string;
  specialty: string;
  description: string;
  assigned_to: Someone | null;
  priority: number;
  why: PriorityReason[];
  slide_count: number;
  waiting_count: number;
  techniques_open: number;
  unread: boolean;
  ordered_at: string | null;
  received_at: string | null;
  ready_at: string | null;
  opened_at: string | null;
  validated_at: string | null;
  updated_at: string;
  slides: SlideFace[];
  specimens: SpecimenNode[];
  loose: SlideNode[];
  techniques: TechniqueItem[];
  reports: ReportItem[];
  attachments: AttachmentItem[];
  prior: PriorCase[];
  may: May;
  study_uid: string;
  requester: string;
  adicap: string;
  place: number;
  history: HistoryItem[];
};

export type CaseItem = {
  id: number;
  accession: string;
  patient: CasePatient;
  state: "registered" | "ready" | "reading" | "waiting" | "preliminary" | "validated" | "reopened" | "cancelled";
  urgency: "routine" | "urgent" | "stat";
  frozen: boolean;
  department: string;
  specialty: string;
  description: string;
  assigned_to: Someone | null;
  priority: number;
  why: PriorityReason[];
  slide_count: number;
  waiting_count: number;
  techniques_open: number;
  unread: boolean;
  ordered_at: string | null;
  received_at: string | null;
  ready_at: string | null;
  opened_at: string | null;
  validated_at: string | null;
  updated_at: string;
  slides: SlideFace[];
};

export type CasePage = {
  items: CaseItem[];
  total: number;
  exact: boolean;
};

export type CasePatient = {
  id: string;
  name: string;
  birth_date: string | null;
  sex: string;
  ins: string;
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

export type DecisionItem = {
  id: number;
  kind: "match" | "ignore" | "rescan" | "current" | "cancel_slide";
  scan: number | null;
  slide: number | null;
  identifier: string;
  accession: string;
  series_uid: string;
  actor: string;
  reason: string;
  decided_at: string;
  undone_at: string | null;
  undone_by: string;
};

export type DecisionNew = {
  kind: "match" | "ignore" | "rescan" | "current" | "cancel_slide";
  scan?: number | null;
  slide?: number | null;
  reason?: string;
};

export type DemoAccount = {
  login: string;
  password: string;
  role: Role;
};

export type DepartmentFlow = {
  department: string;
  times: FlowTime[];
};

export type DeskCounts = {
  unmatched: number;
  duplicate: number;
  unexpected: number;
  missing: number;
};

export type DeskItem = {
  kind: "unmatched" | "duplicate" | "unexpected" | "missing";
  reason: string;
  scan: DeskScan | null;
  slide: DeskSlide | null;
  candidates: Candidate[];
};

export type DeskPage = {
  counts: DeskCounts;
  items: DeskItem[];
};

export type DeskScan = {
  id: number;
  study_uid: string;
  series_uid: string;
  state: string;
  barcode: string;
  label_text: string;
  said_container: string;
  scanner: string;
  scanned_at: string | null;
  arrived_at: string;
  quality: "" | "pass" | "warn" | "fail";
  has_label: boolean;
  has_overview: boolean;
};

export type DeskSlide = {
  id: number;
  identifier: string;
  case: number;
  accession: string;
  patient: CasePatient;
  specimen: string;
  block: string;
  stain: string;
  level: string;
  state: string;
  due_on: string | null;
  scans: ScanNode[];
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

export type ExpectedPage = {
  day: string;
  expected: number;
  scanned: number;
  overdue: number;
  scanners: ExpectedScanner[];
  items: DeskSlide[];
};

export type ExpectedScanner = {
  name: string;
  scanned: number;
  failed: number;
  last: string | null;
};

export type Fact = {
  keyword: string;
  value: string;
};

export type Finding = {
  number: number;
  what: string;
};

export type Flow = {
  days: number;
  times: FlowTime[];
  departments: DepartmentFlow[];
  scans: ScanHour[];
  scanners: ScannerFlow[];
  queue: FlowQueue;
};

export type FlowQueue = {
  to_scan: number;
  overdue: number;
  on_desk: number;
  unread_cases: number;
  to_sign: number;
};

export type FlowTime = {
  step: "ordered_scanned" | "scanned_opened" | "opened_validated" | "ordered_validated";
  median_s: number | null;
  p90_s: number | null;
  n: number;
};

export type Grant = {
  role: Role;
  purpose: Purpose;
  action: Action;
  within: "shared" | "department" | "establishment" | "everywhere";
};

export type HistoryItem = {
  at: string;
  who: string;
  what: "ordered" | "received" | "ready" | "opened" | "assigned" | "scan_arrived" | "technique_requested" | "technique_answered" | "report_written" | "report_validated" | "attached" | "decided" | "cancelled";
  text: string;
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

export type Limit = {
  stain: string;
  scanner: string;
  measure: string;
  warn: number | null;
  fail: number | null;
};

export type Made = {
  id: number;
};

export type May = {
  report: boolean;
  validate: boolean;
  schedule: boolean;
};

export type Measure = {
  name: string;
  value: number | null;
  unit: string;
  warn: number | null;
  fail: number | null;
  verdict: "" | "pass" | "warn" | "fail";
};

export type MergeItem = {
  id: number;
  gone: CasePatient;
  kept: CasePatient;
  source: string;
  cases: number;
  said_at: string | null;
  merged_at: string;
  undone_at: string | null;
  undone_by: string;
  undoable: boolean;
};

export type Message = {
  id: number;
  direction: "in" | "out";
  peer: string;
  kind: string;
  control_id: string;
  state: string;
  accession: string;
  at: string;
  attempts: number;
  error: string;
  text: string;
  answer: string;
  segments: MessageSegment[];
  case: number | null;
  purged_at: string | null;
};

export type MessageField = {
  at: string;
  name: string;
  value: string;
};

export type MessageItem = {
  id: number;
  direction: "in" | "out";
  peer: string;
  kind: string;
  control_id: string;
  state: string;
  accession: string;
  at: string;
  attempts: number;
  error: string;
};

export type MessagePage = {
  items: MessageItem[];
  total: number;
};

export type MessagePeer = {
  name: string;
  direction: "in" | "out" | "both";
  dialect: string;
  last_in: string | null;
  last_out: string | null;
  today_in: number;
  today_out: number;
  waiting: number;
  errors: number;
  silent: boolean;
};

export type MessageSegment = {
  name: string;
  fields: MessageField[];
};

export type MessageText = {
  text: string;
};

export type MessagesState = {
  listening: boolean;
  port: number | null;
  peers: MessagePeer[];
  error: number;
  dead: number;
  waiting: number;
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

export type PlaceRules = {
  place: number;
  source: number | null;
  rules: PriorityRuleNew[];
  editable: boolean;
};

export type PriorCase = {
  id: number;
  accession: string;
  description: string;
  date: string | null;
  state: "registered" | "ready" | "reading" | "waiting" | "preliminary" | "validated" | "reopened" | "cancelled";
};

export type PriorityReason = {
  field: string;
  value: string;
  hours: number;
};

export type PriorityRuleNew = {
  field: "urgency" | "frozen" | "specialty" | "department" | "requester" | "adicap";
  value: string;
  hours: number;
};

export type PriorityRules = {
  place: number;
  rules: PriorityRuleNew[];
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
};

export type Proposal = {
  id: number;
  name: string;
  specialties: string[];
  load: number;
  fits: boolean;
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

export type ReportItem = {
  version: number;
  state: "draft" | "preliminary" | "final" | "cancelled";
  source: string;
  code: string;
  text: string;
  author: string;
  written_at: string;
  validator: string;
  validated_at: string | null;
};

export type ReportState = {
  state: "preliminary" | "final";
};

export type ReportText = {
  text: string;
  version: number;
};

export type ReportVersion = {
  version: number;
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

export type SavedView = {
  id: number;
  name: string;
  query: string;
};

export type SavedViewNew = {
  name: string;
  query: string;
};

export type ScanHour = {
  hour: string;
  scanner: string;
  count: number;
};

export type ScanNode = {
  id: number;
  series_uid: string;
  study_uid: string;
  current: boolean;
  quality: "" | "pass" | "warn" | "fail";
  scanner: string;
  scanned_at: string | null;
};

export type ScanQuality = {
  scan: number;
  series_uid: string;
  verdict: "" | "pass" | "warn" | "fail";
  reasons: string[];
  measures: Measure[];
  heatmaps: ("focus" | "tissue")[];
  stain: string;
  scanner: string;
  measured_at: string | null;
  slide: DeskSlide | null;
};

export type ScannerChange = {
  name?: string | null;
  place?: number | null;
  installed_on?: string | null;
};

export type ScannerFlow = {
  id: number;
  name: string;
  station: string;
  today: number;
  scans: number;
  failures: number;
  rescans: number;
  last: string | null;
};

export type ScannerItem = {
  id: number;
  name: string;
  place: number;
  station: string;
  serial: string;
  manufacturer: string;
  model: string;
  installed_on: string | null;
  seen_at: string | null;
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
  case?: number | null;
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

export type SlideFace = {
  series_uid: string;
  stain: string;
};

export type SlideNode = {
  id: number;
  identifier: string;
  stain: string;
  level: string;
  state: string;
  due_on: string | null;
  location: string;
  scans: ScanNode[];
};

export type Someone = {
  id: number;
  name: string;
};

export type Specialties = {
  id: number;
  login: string;
  name: string;
  specialties: string[];
  load: number;
  editable: boolean;
};

export type SpecialtiesNew = {
  id: number;
  specialties: string[];
};

export type SpecimenNode = {
  id: number;
  identifier: string;
  part: string;
  type: string;
  site: string;
  description: string;
  collected_at: string | null;
  received_at: string | null;
  blocks: BlockNode[];
  slides: SlideNode[];
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

export type TechniqueItem = {
  id: number;
  identifier: string;
  filler: string;
  code: string;
  text: string;
  comment: string;
  block: number | null;
  slide: number | null;
  state: "requested" | "accepted" | "refused" | "done" | "cancelled";
  reason: string;
  requester: string;
  requested_at: string;
  updated_at: string;
};

export type TechniqueNew = {
  code: string;
  text: string;
  block?: number | null;
  slide?: number | null;
  comment?: string;
};

export type Threshold = {
  stain: string;
  scanner: string;
  measure: string;
  warn: number | null;
  fail: number | null;
  unit: string;
  higher: boolean;
  default: boolean;
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

export type ViewCount = {
  key: "mine" | "team" | "urgent" | "frozen" | "waiting_slides" | "waiting_techniques" | "to_sign" | "unassigned" | "all" | "done";
  count: number;
  unread: number;
  exact: boolean;
};

export type Window = {
  center: number;
  width: number;
  name: string;
};

export type Worklists = {
  views: ViewCount[];
  saved: SavedView[];
  specialties: string[];
  departments: string[];
};
