CREATE TABLE message (
    id INTEGER NOT NULL,
    direction TEXT NOT NULL,
    peer TEXT NOT NULL,
    place INTEGER DEFAULT '1' NOT NULL,
    control TEXT DEFAULT '' NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT DEFAULT '' NOT NULL,
    accession TEXT DEFAULT '' NOT NULL,
    "key" TEXT,
    state TEXT NOT NULL,
    code TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    raw BLOB NOT NULL,
    repaired TEXT,
    answer BLOB,
    attempts INTEGER DEFAULT '0' NOT NULL,
    run_at BIGINT,
    received_at BIGINT NOT NULL,
    settled_at BIGINT,
    CONSTRAINT pk_message PRIMARY KEY (id),
    CONSTRAINT uq_message_direction_peer_control_digest UNIQUE (direction, peer, control, digest),
    CONSTRAINT uq_message_key UNIQUE ("key")
);
CREATE INDEX ix_message_accession ON message (accession);
CREATE INDEX ix_message_peer ON message (peer, direction, received_at);
CREATE INDEX ix_message_place ON message (place, received_at);
CREATE INDEX ix_message_todo ON message (state, peer, id) WHERE state IN ('received', 'waiting', 'error', 'dead');
