CREATE TABLE study (
    id BIGSERIAL NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    study_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    study_time TEXT COLLATE "C" DEFAULT '' NOT NULL,
    accession_number TEXT COLLATE "C" DEFAULT '' NOT NULL,
    referring_physician TEXT COLLATE "C" DEFAULT '' NOT NULL,
    referring_physician_key TEXT COLLATE "C" DEFAULT '' NOT NULL,
    referring_physician_other TEXT COLLATE "C" DEFAULT '' NOT NULL,
    timezone TEXT COLLATE "C" DEFAULT '' NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_name TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_name_key TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_name_other TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_id TEXT COLLATE "C" DEFAULT '' NOT NULL,
    issuer_of_patient_id TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_birth_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    patient_sex TEXT COLLATE "C" DEFAULT '' NOT NULL,
    study_id TEXT COLLATE "C" DEFAULT '' NOT NULL,
    modalities TEXT COLLATE "C" DEFAULT '' NOT NULL,
    series_count INTEGER DEFAULT '0' NOT NULL,
    instance_count INTEGER DEFAULT '0' NOT NULL,
    lead TEXT COLLATE "C" NOT NULL,
    fills TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_study PRIMARY KEY (id),
    CONSTRAINT uq_study_uid UNIQUE (uid)
);
CREATE INDEX ix_study_order ON study (study_date, study_time, id, modalities);
CREATE INDEX ix_study_accession_number ON study (accession_number, study_date, study_time, id);
CREATE INDEX ix_study_referring_physician_other ON study (referring_physician_other) WHERE referring_physician_other != '';
CREATE INDEX ix_study_patient_name_key ON study (patient_name_key, study_date, study_time, id);
CREATE INDEX ix_study_patient_name_other ON study (patient_name_other) WHERE patient_name_other != '';
CREATE INDEX ix_study_study_id ON study (study_id, study_date, study_time, id);
CREATE INDEX ix_study_birth_date ON study (patient_birth_date);
CREATE INDEX ix_study_patient_id ON study (patient_id, study_date, study_time, id);
CREATE INDEX ix_study_referring_physician_key ON study (referring_physician_key, study_date, study_time, id);
CREATE TABLE tally (
    study_date TEXT COLLATE "C" NOT NULL,
    modalities TEXT COLLATE "C" NOT NULL,
    studies BIGINT NOT NULL,
    series BIGINT NOT NULL,
    instances BIGINT NOT NULL,
    CONSTRAINT pk_tally PRIMARY KEY (study_date, modalities)
);
CREATE TABLE aside (
    id BIGSERIAL NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" NOT NULL,
    message TEXT NOT NULL,
    sop_class_uid TEXT COLLATE "C",
    sop_instance_uid TEXT COLLATE "C",
    study_uid TEXT COLLATE "C",
    series_uid TEXT COLLATE "C",
    size BIGINT NOT NULL,
    door TEXT COLLATE "C" NOT NULL,
    detail TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_aside PRIMARY KEY (id),
    CONSTRAINT uq_aside_key UNIQUE (key)
);
CREATE INDEX ix_aside_sop_instance_uid ON aside (sop_instance_uid);
CREATE INDEX ix_aside_received_at ON aside (received_at);
CREATE TABLE tombstone (
    uid TEXT COLLATE "C" NOT NULL,
    study_uid TEXT COLLATE "C" NOT NULL,
    series_uid TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    rejected_at BIGINT NOT NULL,
    purged_at BIGINT,
    CONSTRAINT pk_tombstone PRIMARY KEY (uid)
);
CREATE INDEX ix_tombstone_study_uid ON tombstone (study_uid);
CREATE INDEX ix_tombstone_series_uid ON tombstone (series_uid);
CREATE TABLE import_record (
    id BIGSERIAL NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    fingerprint TEXT COLLATE "C" DEFAULT '' NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C",
    reason TEXT,
    study_uid TEXT COLLATE "C",
    series_uid TEXT COLLATE "C",
    instances INTEGER DEFAULT '0' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    worker TEXT COLLATE "C",
    lease_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_import_record PRIMARY KEY (id),
    CONSTRAINT uq_import_record_path UNIQUE (path)
);
CREATE INDEX ix_import_record_updated_at ON import_record (updated_at);
CREATE INDEX ix_import_record_fingerprint ON import_record (fingerprint);
CREATE INDEX ix_import_record_state ON import_record (state);
CREATE TABLE job (
    id BIGSERIAL NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT DEFAULT 'todo' NOT NULL,
    priority INTEGER DEFAULT '0' NOT NULL,
    run_at BIGINT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    lease_until BIGINT,
    worker TEXT,
    key TEXT,
    reason TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_job PRIMARY KEY (id)
);
CREATE INDEX ix_job_running ON job (lease_until) WHERE state = 'running';
CREATE INDEX ix_job_todo ON job (priority, run_at, id) WHERE state = 'todo';
CREATE UNIQUE INDEX uq_job_key_todo ON job (key) WHERE state = 'todo';
CREATE TABLE event (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    CONSTRAINT pk_event PRIMARY KEY (id)
);
CREATE TABLE series (
    id BIGSERIAL NOT NULL,
    study_id BIGINT NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    series_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    series_time TEXT COLLATE "C" DEFAULT '' NOT NULL,
    modality TEXT COLLATE "C" DEFAULT '' NOT NULL,
    manufacturer TEXT COLLATE "C" DEFAULT '' NOT NULL,
    description TEXT COLLATE "C" DEFAULT '' NOT NULL,
    model TEXT COLLATE "C" DEFAULT '' NOT NULL,
    body_part TEXT COLLATE "C" DEFAULT '' NOT NULL,
    number BIGINT,
    frame_of_reference TEXT COLLATE "C" DEFAULT '' NOT NULL,
    performed_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    performed_time TEXT COLLATE "C" DEFAULT '' NOT NULL,
    scheduled_step_ids TEXT COLLATE "C" DEFAULT '' NOT NULL,
    requested_procedure_ids TEXT COLLATE "C" DEFAULT '' NOT NULL,
    request_attributes TEXT,
    container_id TEXT COLLATE "C" DEFAULT '' NOT NULL,
    stains TEXT COLLATE "C" DEFAULT '' NOT NULL,
    instance_count INTEGER DEFAULT '0' NOT NULL,
    lead TEXT COLLATE "C" NOT NULL,
    fills TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_series PRIMARY KEY (id),
    CONSTRAINT uq_series_study_id_uid UNIQUE (study_id, uid),
    CONSTRAINT fk_series_study_id FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
);
CREATE INDEX ix_series_performed ON series (performed_date);
CREATE INDEX ix_series_requested_procedure_ids ON series (id) WHERE requested_procedure_ids != '';
CREATE INDEX ix_series_scheduled_step_ids ON series (id) WHERE scheduled_step_ids != '';
CREATE INDEX ix_series_container_id ON series (container_id);
CREATE INDEX ix_series_uid ON series (uid);
CREATE TABLE name_word (
    word TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    study_id BIGINT NOT NULL,
    CONSTRAINT pk_name_word PRIMARY KEY (word, role, study_id),
    CONSTRAINT fk_name_word_study_id FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
);
CREATE INDEX ix_name_word_study_id ON name_word (study_id);
CREATE TABLE instance (
    id BIGSERIAL NOT NULL,
    series_id BIGINT NOT NULL,
    study_id BIGINT NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    image_type TEXT COLLATE "C" DEFAULT '' NOT NULL,
    sop_class TEXT COLLATE "C" DEFAULT '' NOT NULL,
    pyramid_uid TEXT COLLATE "C" DEFAULT '' NOT NULL,
    content_date TEXT COLLATE "C" DEFAULT '' NOT NULL,
    content_time TEXT COLLATE "C" DEFAULT '' NOT NULL,
    number BIGINT,
    samples BIGINT,
    photometric TEXT COLLATE "C" DEFAULT '' NOT NULL,
    frames BIGINT,
    rows BIGINT,
    columns BIGINT,
    bits_allocated BIGINT,
    container_id TEXT COLLATE "C" DEFAULT '' NOT NULL,
    matrix_columns BIGINT,
    matrix_rows BIGINT,
    specimen_ids TEXT COLLATE "C" DEFAULT '' NOT NULL,
    specimen_uids TEXT COLLATE "C" DEFAULT '' NOT NULL,
    objective_powers TEXT COLLATE "C" DEFAULT '' NOT NULL,
    stains TEXT COLLATE "C" DEFAULT '' NOT NULL,
    transfer_syntax TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    meta_digest TEXT COLLATE "C" NOT NULL,
    dataset_offset INTEGER NOT NULL,
    pixel_vr TEXT COLLATE "C" DEFAULT '' NOT NULL,
    pixel_offset BIGINT DEFAULT '0' NOT NULL,
    pixel_length BIGINT DEFAULT '0' NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_instance PRIMARY KEY (id),
    CONSTRAINT fk_instance_series_id FOREIGN KEY(series_id) REFERENCES series (id) ON DELETE CASCADE,
    CONSTRAINT uq_instance_uid UNIQUE (uid)
);
CREATE INDEX ix_instance_container_id ON instance (container_id) WHERE container_id != '';
CREATE INDEX ix_instance_digest ON instance (digest);
CREATE INDEX ix_instance_pyramid_uid ON instance (pyramid_uid) WHERE pyramid_uid != '';
CREATE INDEX ix_instance_series ON instance (series_id, number, id);
CREATE INDEX ix_instance_sop_class ON instance (sop_class);
CREATE INDEX ix_instance_study ON instance (study_id);
CREATE TABLE metadata (
    instance_id BIGINT NOT NULL,
    json BYTEA NOT NULL,
    bulk BYTEA,
    CONSTRAINT pk_metadata PRIMARY KEY (instance_id),
    CONSTRAINT fk_metadata_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
CREATE TABLE frame_index (
    instance_id BIGINT NOT NULL,
    packed BYTEA NOT NULL,
    CONSTRAINT pk_frame_index PRIMARY KEY (instance_id),
    CONSTRAINT fk_frame_index_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
CREATE TABLE thumbnail (
    instance_id BIGINT NOT NULL,
    jpeg BYTEA NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    made_at BIGINT NOT NULL,
    CONSTRAINT pk_thumbnail PRIMARY KEY (instance_id),
    CONSTRAINT fk_thumbnail_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
