CREATE TABLE message (
    id BIGSERIAL NOT NULL,
    direction TEXT COLLATE "C" NOT NULL,
    peer TEXT COLLATE "C" NOT NULL,
    place BIGINT DEFAULT '1' NOT NULL,
    control TEXT COLLATE "C" DEFAULT '' NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" DEFAULT '' NOT NULL,
    accession TEXT COLLATE "C" DEFAULT '' NOT NULL,
    key TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    code TEXT COLLATE "C" DEFAULT '' NOT NULL,
    reason TEXT COLLATE "C" DEFAULT '' NOT NULL,
    raw BYTEA NOT NULL,
    repaired TEXT,
    answer BYTEA,
    attempts INTEGER DEFAULT '0' NOT NULL,
    run_at BIGINT,
    received_at BIGINT NOT NULL,
    settled_at BIGINT,
    CONSTRAINT pk_message PRIMARY KEY (id),
    CONSTRAINT uq_message_direction_peer_control_digest UNIQUE (direction, peer, control, digest),
    CONSTRAINT uq_message_key UNIQUE (key)
);
CREATE INDEX ix_message_accession ON message (accession);
CREATE INDEX ix_message_peer ON message (peer, direction, received_at);
CREATE INDEX ix_message_place ON message (place, received_at);
CREATE INDEX ix_message_todo ON message (state, peer, id) WHERE state IN ('received', 'waiting', 'error', 'dead');
