CREATE TABLE study (
    id INTEGER NOT NULL,
    uid TEXT NOT NULL,
    study_date TEXT DEFAULT '' NOT NULL,
    study_time TEXT DEFAULT '' NOT NULL,
    accession_number TEXT DEFAULT '' NOT NULL,
    referring_physician TEXT DEFAULT '' NOT NULL,
    referring_physician_key TEXT DEFAULT '' NOT NULL,
    referring_physician_other TEXT DEFAULT '' NOT NULL,
    timezone TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    patient_name TEXT DEFAULT '' NOT NULL,
    patient_name_key TEXT DEFAULT '' NOT NULL,
    patient_name_other TEXT DEFAULT '' NOT NULL,
    patient_id TEXT DEFAULT '' NOT NULL,
    issuer_of_patient_id TEXT DEFAULT '' NOT NULL,
    patient_birth_date TEXT DEFAULT '' NOT NULL,
    patient_sex TEXT DEFAULT '' NOT NULL,
    study_id TEXT DEFAULT '' NOT NULL,
    modalities TEXT DEFAULT '' NOT NULL,
    series_count INTEGER DEFAULT '0' NOT NULL,
    instance_count INTEGER DEFAULT '0' NOT NULL,
    lead TEXT NOT NULL,
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
    study_date TEXT NOT NULL,
    modalities TEXT NOT NULL,
    studies BIGINT NOT NULL,
    series BIGINT NOT NULL,
    instances BIGINT NOT NULL,
    CONSTRAINT pk_tally PRIMARY KEY (study_date, modalities)
)
 WITHOUT ROWID;
CREATE TABLE aside (
    id INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    sop_class_uid TEXT,
    sop_instance_uid TEXT,
    study_uid TEXT,
    series_uid TEXT,
    size BIGINT NOT NULL,
    door TEXT NOT NULL,
    detail TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_aside PRIMARY KEY (id),
    CONSTRAINT uq_aside_key UNIQUE ("key")
);
CREATE INDEX ix_aside_sop_instance_uid ON aside (sop_instance_uid);
CREATE INDEX ix_aside_received_at ON aside (received_at);
CREATE TABLE tombstone (
    uid TEXT NOT NULL,
    study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL,
    "key" TEXT NOT NULL,
    size BIGINT NOT NULL,
    rejected_at BIGINT NOT NULL,
    purged_at BIGINT,
    CONSTRAINT pk_tombstone PRIMARY KEY (uid)
);
CREATE INDEX ix_tombstone_study_uid ON tombstone (study_uid);
CREATE INDEX ix_tombstone_series_uid ON tombstone (series_uid);
CREATE TABLE import_record (
    id INTEGER NOT NULL,
    path TEXT NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    fingerprint TEXT DEFAULT '' NOT NULL,
    state TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    study_uid TEXT,
    series_uid TEXT,
    instances INTEGER DEFAULT '0' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    worker TEXT,
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
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT DEFAULT 'todo' NOT NULL,
    priority INTEGER DEFAULT '0' NOT NULL,
    run_at BIGINT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    lease_until BIGINT,
    worker TEXT,
    "key" TEXT,
    reason TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_job PRIMARY KEY (id)
);
CREATE INDEX ix_job_running ON job (lease_until) WHERE state = 'running';
CREATE INDEX ix_job_todo ON job (priority, run_at, id) WHERE state = 'todo';
CREATE UNIQUE INDEX uq_job_key_todo ON job ("key") WHERE state = 'todo';
CREATE TABLE event (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    CONSTRAINT pk_event PRIMARY KEY (id)
);
CREATE TABLE series (
    id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,
    uid TEXT NOT NULL,
    series_date TEXT DEFAULT '' NOT NULL,
    series_time TEXT DEFAULT '' NOT NULL,
    modality TEXT DEFAULT '' NOT NULL,
    manufacturer TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    model TEXT DEFAULT '' NOT NULL,
    body_part TEXT DEFAULT '' NOT NULL,
    number BIGINT,
    frame_of_reference TEXT DEFAULT '' NOT NULL,
    performed_date TEXT DEFAULT '' NOT NULL,
    performed_time TEXT DEFAULT '' NOT NULL,
    scheduled_step_ids TEXT DEFAULT '' NOT NULL,
    requested_procedure_ids TEXT DEFAULT '' NOT NULL,
    request_attributes TEXT,
    container_id TEXT DEFAULT '' NOT NULL,
    stains TEXT DEFAULT '' NOT NULL,
    instance_count INTEGER DEFAULT '0' NOT NULL,
    lead TEXT NOT NULL,
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
    word TEXT NOT NULL,
    role TEXT NOT NULL,
    study_id INTEGER NOT NULL,
    CONSTRAINT pk_name_word PRIMARY KEY (word, role, study_id),
    CONSTRAINT fk_name_word_study_id FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_name_word_study_id ON name_word (study_id);
CREATE TABLE instance (
    id INTEGER NOT NULL,
    series_id INTEGER NOT NULL,
    study_id INTEGER NOT NULL,
    uid TEXT NOT NULL,
    image_type TEXT DEFAULT '' NOT NULL,
    sop_class TEXT DEFAULT '' NOT NULL,
    pyramid_uid TEXT DEFAULT '' NOT NULL,
    content_date TEXT DEFAULT '' NOT NULL,
    content_time TEXT DEFAULT '' NOT NULL,
    number BIGINT,
    samples BIGINT,
    photometric TEXT DEFAULT '' NOT NULL,
    frames BIGINT,
    rows BIGINT,
    columns BIGINT,
    bits_allocated BIGINT,
    container_id TEXT DEFAULT '' NOT NULL,
    matrix_columns BIGINT,
    matrix_rows BIGINT,
    specimen_ids TEXT DEFAULT '' NOT NULL,
    specimen_uids TEXT DEFAULT '' NOT NULL,
    objective_powers TEXT DEFAULT '' NOT NULL,
    stains TEXT DEFAULT '' NOT NULL,
    transfer_syntax TEXT NOT NULL,
    size BIGINT NOT NULL,
    digest TEXT NOT NULL,
    meta_digest TEXT NOT NULL,
    dataset_offset INTEGER NOT NULL,
    pixel_vr TEXT DEFAULT '' NOT NULL,
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
    instance_id INTEGER NOT NULL,
    json BLOB NOT NULL,
    bulk BLOB,
    CONSTRAINT pk_metadata PRIMARY KEY (instance_id),
    CONSTRAINT fk_metadata_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
CREATE TABLE frame_index (
    instance_id INTEGER NOT NULL,
    packed BLOB NOT NULL,
    CONSTRAINT pk_frame_index PRIMARY KEY (instance_id),
    CONSTRAINT fk_frame_index_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
CREATE TABLE thumbnail (
    instance_id INTEGER NOT NULL,
    jpeg BLOB NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    made_at BIGINT NOT NULL,
    CONSTRAINT pk_thumbnail PRIMARY KEY (instance_id),
    CONSTRAINT fk_thumbnail_instance_id FOREIGN KEY(instance_id) REFERENCES instance (id) ON DELETE CASCADE
);
