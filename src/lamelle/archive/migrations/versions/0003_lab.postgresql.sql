CREATE TABLE scheduled_step (
    id BIGSERIAL NOT NULL,
    study_uid TEXT COLLATE "C" NOT NULL,
    step_id TEXT COLLATE "C" NOT NULL,
    accession_number TEXT COLLATE "C" NOT NULL,
    patient_id TEXT COLLATE "C" NOT NULL,
    start_date TEXT COLLATE "C" NOT NULL,
    start_time TEXT COLLATE "C" NOT NULL,
    stations TEXT COLLATE "C" NOT NULL,
    modality TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_scheduled_step PRIMARY KEY (id),
    CONSTRAINT uq_scheduled_step_study_uid_step_id UNIQUE (study_uid, step_id)
);
CREATE INDEX ix_scheduled_step_accession_number ON scheduled_step (accession_number);
CREATE INDEX ix_scheduled_step_patient_id ON scheduled_step (patient_id);
CREATE INDEX ix_scheduled_step_start ON scheduled_step (start_date, start_time, id);
CREATE TABLE scheduled_container (
    container_id TEXT COLLATE "C" NOT NULL,
    scheduled_id BIGINT NOT NULL,
    CONSTRAINT pk_scheduled_container PRIMARY KEY (container_id, scheduled_id),
    CONSTRAINT fk_scheduled_container_scheduled_id FOREIGN KEY(scheduled_id) REFERENCES scheduled_step (id) ON DELETE CASCADE
);
CREATE INDEX ix_scheduled_container_scheduled_id ON scheduled_container (scheduled_id);
CREATE TABLE performed_step (
    id BIGSERIAL NOT NULL,
    uid TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,
    json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_performed_step PRIMARY KEY (id),
    CONSTRAINT uq_performed_step_uid UNIQUE (uid)
);
CREATE TABLE performed_scheduled (
    study_uid TEXT COLLATE "C" NOT NULL,
    step_id TEXT COLLATE "C" NOT NULL,
    performed_id BIGINT NOT NULL,
    CONSTRAINT pk_performed_scheduled PRIMARY KEY (study_uid, step_id, performed_id),
    CONSTRAINT fk_performed_scheduled_performed_id FOREIGN KEY(performed_id) REFERENCES performed_step (id) ON DELETE CASCADE
);
CREATE INDEX ix_performed_scheduled_performed_id ON performed_scheduled (performed_id);
CREATE TABLE availability (
    uid TEXT COLLATE "C" NOT NULL,
    study_uid TEXT COLLATE "C" NOT NULL,
    said_by TEXT COLLATE "C" NOT NULL,
    json TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    CONSTRAINT pk_availability PRIMARY KEY (uid)
);
CREATE INDEX ix_availability_received_at ON availability (received_at);
CREATE INDEX ix_availability_study_uid ON availability (study_uid);
