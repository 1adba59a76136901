CREATE TABLE patient (
    id INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    family TEXT DEFAULT '' NOT NULL,
    given TEXT DEFAULT '' NOT NULL,
    birth_name TEXT DEFAULT '' NOT NULL,
    birth_date TEXT DEFAULT '' NOT NULL,
    sex TEXT DEFAULT '' NOT NULL,
    ins TEXT DEFAULT '' NOT NULL,
    ins_oid TEXT DEFAULT '' NOT NULL,
    ins_status TEXT DEFAULT '' NOT NULL,
    merged_into INTEGER,
    said_at BIGINT,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_patient PRIMARY KEY (id),
    CONSTRAINT uq_patient_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_patient_merged_into FOREIGN KEY(merged_into) REFERENCES patient (id)
);
CREATE INDEX ix_patient_family ON patient (family, given);
CREATE INDEX ix_patient_ins ON patient (ins) WHERE ins != '';
CREATE INDEX ix_patient_merged_into ON patient (merged_into);
CREATE TABLE patient_identifier (
    issuer TEXT NOT NULL,
    value TEXT NOT NULL,
    patient_id INTEGER NOT NULL,
    CONSTRAINT pk_patient_identifier PRIMARY KEY (issuer, value),
    CONSTRAINT fk_patient_identifier_patient_id FOREIGN KEY(patient_id) REFERENCES patient (id) ON DELETE CASCADE
)
    WITHOUT ROWID;
CREATE INDEX ix_patient_identifier_patient_id ON patient_identifier (patient_id);
CREATE TABLE patient_merge (
    id INTEGER NOT NULL,
    gone_id INTEGER NOT NULL,
    kept_id INTEGER NOT NULL,
    "before" TEXT NOT NULL,
    said_at BIGINT,
    merged_at BIGINT NOT NULL,
    undone_at BIGINT,
    CONSTRAINT pk_patient_merge PRIMARY KEY (id),
    CONSTRAINT fk_patient_merge_gone_id FOREIGN KEY(gone_id) REFERENCES patient (id) ON DELETE CASCADE,
    CONSTRAINT fk_patient_merge_kept_id FOREIGN KEY(kept_id) REFERENCES patient (id) ON DELETE CASCADE
);
CREATE INDEX ix_patient_merge_gone_id ON patient_merge (gone_id);
CREATE INDEX ix_patient_merge_kept_id ON patient_merge (kept_id);
CREATE TABLE pathology_case (
    id INTEGER NOT NULL,
    accession TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    place INTEGER DEFAULT '1' NOT NULL,
    patient_id INTEGER,
    state TEXT DEFAULT 'registered' NOT NULL,
    urgency TEXT DEFAULT 'routine' NOT NULL,
    frozen BOOLEAN DEFAULT 0 NOT NULL,
    department TEXT DEFAULT '' NOT NULL,
    specialty TEXT DEFAULT '' NOT NULL,
    requester TEXT DEFAULT '' NOT NULL,
    adicap TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    study_uid TEXT DEFAULT '' NOT NULL,
    assigned_to INTEGER,
    assigned_at BIGINT,
    priority INTEGER DEFAULT '0' NOT NULL,
    slide_count INTEGER DEFAULT '0' NOT NULL,
    waiting_count INTEGER DEFAULT '0' NOT NULL,
    ordered_at BIGINT,
    received_at BIGINT,
    ready_at BIGINT,
    opened_at BIGINT,
    validated_at BIGINT,
    cancelled_at BIGINT,
    said_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_pathology_case PRIMARY KEY (id),
    CONSTRAINT uq_pathology_case_accession_issuer UNIQUE (accession, issuer),
    CONSTRAINT fk_pathology_case_patient_id FOREIGN KEY(patient_id) REFERENCES patient (id)
);
CREATE INDEX ix_pathology_case_patient_id ON pathology_case (patient_id);
CREATE INDEX ix_pathology_case_study_uid ON pathology_case (study_uid);
CREATE INDEX ix_pathology_case_updated_at ON pathology_case (updated_at);
CREATE TABLE specimen (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    part TEXT DEFAULT '' NOT NULL,
    type_code TEXT DEFAULT '' NOT NULL,
    type_text TEXT DEFAULT '' NOT NULL,
    site_code TEXT DEFAULT '' NOT NULL,
    site_text TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    collected_at BIGINT,
    received_at BIGINT,
    said_at BIGINT,
    CONSTRAINT pk_specimen PRIMARY KEY (id),
    CONSTRAINT uq_specimen_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_specimen_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE
);
CREATE INDEX ix_specimen_case_id ON specimen (case_id);
CREATE TABLE block (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    specimen_id INTEGER,
    identifier TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT 'embedded' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    location TEXT DEFAULT '' NOT NULL,
    destroy_on TEXT DEFAULT '' NOT NULL,
    said_at BIGINT,
    CONSTRAINT pk_block PRIMARY KEY (id),
    CONSTRAINT uq_block_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_block_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT fk_block_specimen_id FOREIGN KEY(specimen_id) REFERENCES specimen (id)
);
CREATE INDEX ix_block_case_id ON block (case_id);
CREATE INDEX ix_block_specimen_id ON block (specimen_id);
CREATE TABLE technique (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    block_id INTEGER,
    slide_id INTEGER,
    identifier TEXT NOT NULL,
    filler TEXT DEFAULT '' NOT NULL,
    code TEXT DEFAULT '' NOT NULL,
    text TEXT DEFAULT '' NOT NULL,
    comment TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT 'requested' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    requested_by INTEGER,
    requester TEXT DEFAULT '' NOT NULL,
    requested_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_technique PRIMARY KEY (id),
    CONSTRAINT fk_technique_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT uq_technique_identifier UNIQUE (identifier)
);
CREATE INDEX ix_technique_case_id ON technique (case_id);
CREATE TABLE slide (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    specimen_id INTEGER,
    block_id INTEGER,
    place INTEGER DEFAULT '1' NOT NULL,
    identifier TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    stain_code TEXT DEFAULT '' NOT NULL,
    stain_text TEXT DEFAULT '' NOT NULL,
    level TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT 'ordered' NOT NULL,
    due_on TEXT DEFAULT '' NOT NULL,
    technique_id INTEGER,
    location TEXT DEFAULT '' NOT NULL,
    destroy_on TEXT DEFAULT '' NOT NULL,
    said_at BIGINT,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_slide PRIMARY KEY (id),
    CONSTRAINT uq_slide_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_slide_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT fk_slide_specimen_id FOREIGN KEY(specimen_id) REFERENCES specimen (id),
    CONSTRAINT fk_slide_block_id FOREIGN KEY(block_id) REFERENCES block (id),
    CONSTRAINT fk_slide_technique_id FOREIGN KEY(technique_id) REFERENCES technique (id)
);
CREATE INDEX ix_slide_block_id ON slide (block_id);
CREATE INDEX ix_slide_case_id ON slide (case_id);
CREATE INDEX ix_slide_expected ON slide (place, state, due_on);
CREATE INDEX ix_slide_specimen_id ON slide (specimen_id);
CREATE INDEX ix_slide_technique_id ON slide (technique_id);
CREATE TABLE slide_alias (
    value TEXT NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    slide_id INTEGER NOT NULL,
    CONSTRAINT pk_slide_alias PRIMARY KEY (value),
    CONSTRAINT fk_slide_alias_slide_id FOREIGN KEY(slide_id) REFERENCES slide (id) ON DELETE CASCADE
)
    WITHOUT ROWID;
CREATE INDEX ix_slide_alias_slide_id ON slide_alias (slide_id);
CREATE TABLE scan (
    id INTEGER NOT NULL,
    slide_id INTEGER,
    place INTEGER DEFAULT '1' NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    state TEXT DEFAULT 'arrived' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    current BOOLEAN DEFAULT 0 NOT NULL,
    barcode TEXT DEFAULT '' NOT NULL,
    label_text TEXT DEFAULT '' NOT NULL,
    said_container TEXT DEFAULT '' NOT NULL,
    scanner TEXT DEFAULT '' NOT NULL,
    scanned_at BIGINT,
    arrived_at BIGINT NOT NULL,
    matched_at BIGINT,
    quality TEXT DEFAULT '' NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_scan PRIMARY KEY (id),
    CONSTRAINT fk_scan_slide_id FOREIGN KEY(slide_id) REFERENCES slide (id),
    CONSTRAINT uq_scan_series_uid UNIQUE (series_uid)
);
CREATE INDEX ix_scan_barcode ON scan (barcode);
CREATE INDEX ix_scan_desk ON scan (place, state, arrived_at);
CREATE INDEX ix_scan_slide_id ON scan (slide_id);
CREATE INDEX ix_scan_study_uid ON scan (study_uid);
CREATE TABLE scanner (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    place INTEGER DEFAULT '1' NOT NULL,
    station TEXT DEFAULT '' NOT NULL,
    serial TEXT DEFAULT '' NOT NULL,
    manufacturer TEXT DEFAULT '' NOT NULL,
    model TEXT DEFAULT '' NOT NULL,
    installed_on TEXT DEFAULT '' NOT NULL,
    seen_at BIGINT,
    CONSTRAINT pk_scanner PRIMARY KEY (id),
    CONSTRAINT uq_scanner_name UNIQUE (name)
);
CREATE TABLE decision (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    scan_id INTEGER,
    slide_id INTEGER,
    place INTEGER DEFAULT '1' NOT NULL,
    actor_id INTEGER NOT NULL,
    actor TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    "before" TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    undone_at BIGINT,
    undone_by TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_decision PRIMARY KEY (id),
    CONSTRAINT fk_decision_scan_id FOREIGN KEY(scan_id) REFERENCES scan (id),
    CONSTRAINT fk_decision_slide_id FOREIGN KEY(slide_id) REFERENCES slide (id)
);
CREATE INDEX ix_decision_decided_at ON decision (decided_at);
CREATE INDEX ix_decision_scan_id ON decision (scan_id);
CREATE INDEX ix_decision_slide_id ON decision (slide_id);
CREATE TABLE report (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    source TEXT DEFAULT '' NOT NULL,
    code TEXT DEFAULT '' NOT NULL,
    text TEXT DEFAULT '' NOT NULL,
    author_id INTEGER,
    author TEXT DEFAULT '' NOT NULL,
    written_at BIGINT NOT NULL,
    validated_by INTEGER,
    validator TEXT DEFAULT '' NOT NULL,
    validated_at BIGINT,
    CONSTRAINT pk_report PRIMARY KEY (id),
    CONSTRAINT uq_report_case_id_version UNIQUE (case_id, version),
    CONSTRAINT fk_report_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE
);
CREATE INDEX ix_report_case_id ON report (case_id);
CREATE TABLE attachment (
    id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    media_type TEXT DEFAULT '' NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    sop_uid TEXT NOT NULL,
    added_by TEXT DEFAULT '' NOT NULL,
    added_at BIGINT NOT NULL,
    CONSTRAINT pk_attachment PRIMARY KEY (id),
    CONSTRAINT fk_attachment_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT uq_attachment_sop_uid UNIQUE (sop_uid)
);
CREATE INDEX ix_attachment_case_id ON attachment (case_id);
