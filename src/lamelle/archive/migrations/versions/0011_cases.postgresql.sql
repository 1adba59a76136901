CREATE TABLE patient (
    id BIGSERIAL NOT NULL,
    identifier TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    family TEXT COLLATE "C" DEFAULT '' NOT NULL,
    given TEXT COLLATE "C" DEFAULT '' NOT NULL,
    birth_name TEXT COLLATE "C" DEFAULT '' NOT NULL,
    birth_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    sex TEXT COLLATE "C" DEFAULT '' NOT NULL,
    ins TEXT COLLATE "C" DEFAULT '' NOT NULL,
    ins_oid TEXT COLLATE "C" DEFAULT '' NOT NULL,
    ins_status TEXT COLLATE "C" DEFAULT '' NOT NULL,
    merged_into BIGINT,
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
    issuer TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    patient_id BIGINT NOT NULL,
    CONSTRAINT pk_patient_identifier PRIMARY KEY (issuer, value),
    CONSTRAINT fk_patient_identifier_patient_id FOREIGN KEY(patient_id) REFERENCES patient (id) ON DELETE CASCADE
);
CREATE INDEX ix_patient_identifier_patient_id ON patient_identifier (patient_id);
CREATE TABLE patient_merge (
    id BIGSERIAL NOT NULL,
    gone_id BIGINT NOT NULL,
    kept_id BIGINT NOT NULL,
    before TEXT NOT NULL,
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
    id BIGSERIAL NOT NULL,
    accession TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    place BIGINT DEFAULT '1' NOT NULL,
    patient_id BIGINT,
    state TEXT COLLATE "C" DEFAULT 'registered' NOT NULL,
    urgency TEXT COLLATE "C" DEFAULT 'routine' NOT NULL,
    frozen BOOLEAN DEFAULT false NOT NULL,
    department TEXT COLLATE "C" DEFAULT '' NOT NULL,
    specialty TEXT COLLATE "C" DEFAULT '' NOT NULL,
    requester TEXT COLLATE "C" DEFAULT '' NOT NULL,
    adicap TEXT COLLATE "C" DEFAULT '' NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    study_uid TEXT COLLATE "C" DEFAULT '' NOT NULL,
    assigned_to BIGINT,
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
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    identifier TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    part TEXT COLLATE "C" DEFAULT '' NOT NULL,
    type_code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    type_text TEXT COLLATE "C" DEFAULT '' NOT NULL,
    site_code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    site_text TEXT COLLATE "C" DEFAULT '' NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    collected_at BIGINT,
    received_at BIGINT,
    said_at BIGINT,
    CONSTRAINT pk_specimen PRIMARY KEY (id),
    CONSTRAINT uq_specimen_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_specimen_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE
);
CREATE INDEX ix_specimen_case_id ON specimen (case_id);
CREATE TABLE block (
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    specimen_id BIGINT,
    identifier TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    state TEXT COLLATE "C" DEFAULT 'embedded' NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    location TEXT COLLATE "C" DEFAULT '' NOT NULL,
    destroy_on TEXT COLLATE "C" DEFAULT '' NOT NULL,
    said_at BIGINT,
    CONSTRAINT pk_block PRIMARY KEY (id),
    CONSTRAINT uq_block_identifier_issuer UNIQUE (identifier, issuer),
    CONSTRAINT fk_block_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT fk_block_specimen_id FOREIGN KEY(specimen_id) REFERENCES specimen (id)
);
CREATE INDEX ix_block_case_id ON block (case_id);
CREATE INDEX ix_block_specimen_id ON block (specimen_id);
CREATE TABLE technique (
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    block_id BIGINT,
    slide_id BIGINT,
    identifier TEXT COLLATE "C" NOT NULL,
    filler TEXT COLLATE "C" DEFAULT '' NOT NULL,
    code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    text TEXT COLLATE "C" DEFAULT '' NOT NULL,
    comment TEXT COLLATE "C" DEFAULT '' NOT NULL,
    state TEXT COLLATE "C" DEFAULT 'requested' NOT NULL,
    reason TEXT COLLATE "C" DEFAULT '' NOT NULL,
    requested_by BIGINT,
    requester TEXT COLLATE "C" DEFAULT '' NOT NULL,
    requested_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_technique PRIMARY KEY (id),
    CONSTRAINT fk_technique_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT uq_technique_identifier UNIQUE (identifier)
);
CREATE INDEX ix_technique_case_id ON technique (case_id);
CREATE TABLE slide (
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    specimen_id BIGINT,
    block_id BIGINT,
    place BIGINT DEFAULT '1' NOT NULL,
    identifier TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    stain_code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    stain_text TEXT COLLATE "C" DEFAULT '' NOT NULL,
    level TEXT COLLATE "C" DEFAULT '' NOT NULL,
    state TEXT COLLATE "C" DEFAULT 'ordered' NOT NULL,
    due_on TEXT COLLATE "C" DEFAULT '' NOT NULL,
    technique_id BIGINT,
    location TEXT COLLATE "C" DEFAULT '' NOT NULL,
    destroy_on TEXT COLLATE "C" DEFAULT '' NOT NULL,
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
    value TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    slide_id BIGINT NOT NULL,
    CONSTRAINT pk_slide_alias PRIMARY KEY (value),
    CONSTRAINT fk_slide_alias_slide_id FOREIGN KEY(slide_id) REFERENCES slide (id) ON DELETE CASCADE
);
CREATE INDEX ix_slide_alias_slide_id ON slide_alias (slide_id);
CREATE TABLE scan (
    id BIGSERIAL NOT NULL,
    slide_id BIGINT,
    place BIGINT DEFAULT '1' NOT NULL,
    study_uid TEXT COLLATE "C" NOT NULL,
    series_uid TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" DEFAULT 'arrived' NOT NULL,
    reason TEXT COLLATE "C" DEFAULT '' NOT NULL,
    current BOOLEAN DEFAULT false NOT NULL,
    barcode TEXT COLLATE "C" DEFAULT '' NOT NULL,
    label_text TEXT COLLATE "C" DEFAULT '' NOT NULL,
    said_container TEXT COLLATE "C" DEFAULT '' NOT NULL,
    scanner TEXT COLLATE "C" DEFAULT '' NOT NULL,
    scanned_at BIGINT,
    arrived_at BIGINT NOT NULL,
    matched_at BIGINT,
    quality TEXT COLLATE "C" DEFAULT '' NOT NULL,
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
    id BIGSERIAL NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    place BIGINT DEFAULT '1' NOT NULL,
    station TEXT COLLATE "C" DEFAULT '' NOT NULL,
    serial TEXT COLLATE "C" DEFAULT '' NOT NULL,
    manufacturer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    model TEXT COLLATE "C" DEFAULT '' NOT NULL,
    installed_on TEXT COLLATE "C" DEFAULT '' NOT NULL,
    seen_at BIGINT,
    CONSTRAINT pk_scanner PRIMARY KEY (id),
    CONSTRAINT uq_scanner_name UNIQUE (name)
);
CREATE TABLE decision (
    id BIGSERIAL NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    scan_id BIGINT,
    slide_id BIGINT,
    place BIGINT DEFAULT '1' NOT NULL,
    actor_id BIGINT NOT NULL,
    actor TEXT COLLATE "C" DEFAULT '' NOT NULL,
    reason TEXT COLLATE "C" DEFAULT '' NOT NULL,
    before TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    undone_at BIGINT,
    undone_by TEXT COLLATE "C" DEFAULT '' NOT NULL,
    CONSTRAINT pk_decision PRIMARY KEY (id),
    CONSTRAINT fk_decision_scan_id FOREIGN KEY(scan_id) REFERENCES scan (id),
    CONSTRAINT fk_decision_slide_id FOREIGN KEY(slide_id) REFERENCES slide (id)
);
CREATE INDEX ix_decision_decided_at ON decision (decided_at);
CREATE INDEX ix_decision_scan_id ON decision (scan_id);
CREATE INDEX ix_decision_slide_id ON decision (slide_id);
CREATE TABLE report (
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" DEFAULT '' NOT NULL,
    code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    text TEXT DEFAULT '' NOT NULL,
    author_id BIGINT,
    author TEXT COLLATE "C" DEFAULT '' NOT NULL,
    written_at BIGINT NOT NULL,
    validated_by BIGINT,
    validator TEXT COLLATE "C" DEFAULT '' NOT NULL,
    validated_at BIGINT,
    CONSTRAINT pk_report PRIMARY KEY (id),
    CONSTRAINT uq_report_case_id_version UNIQUE (case_id, version),
    CONSTRAINT fk_report_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE
);
CREATE INDEX ix_report_case_id ON report (case_id);
CREATE TABLE attachment (
    id BIGSERIAL NOT NULL,
    case_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" DEFAULT '' NOT NULL,
    media_type TEXT COLLATE "C" DEFAULT '' NOT NULL,
    study_uid TEXT COLLATE "C" NOT NULL,
    series_uid TEXT COLLATE "C" NOT NULL,
    sop_uid TEXT COLLATE "C" NOT NULL,
    added_by TEXT COLLATE "C" DEFAULT '' NOT NULL,
    added_at BIGINT NOT NULL,
    CONSTRAINT pk_attachment PRIMARY KEY (id),
    CONSTRAINT fk_attachment_case_id FOREIGN KEY(case_id) REFERENCES pathology_case (id) ON DELETE CASCADE,
    CONSTRAINT uq_attachment_sop_uid UNIQUE (sop_uid)
);
CREATE INDEX ix_attachment_case_id ON attachment (case_id);
