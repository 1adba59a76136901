"""The tables of the ledger. Rows of `ledger` and `audit_checkpoint` are only ever added.

`entry` is the truth; the columns beside it repeat what is searched by, and `verify` compares them. Unlike the archive's
tables they are no index of files: `lamelle rebuild` leaves them as they are.
"""

import sqlalchemy as sa

from lamelle.base.db import Instant, Key, Word, schema

pending = sa.Table(
    "audit_pending",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("entry", sa.Text, nullable=False),
)
"""Entries recorded in the transaction of what they tell of, until they are sealed."""

taken = sa.Table(
    "audit_journal",
    schema,
    sa.Column("name", Word, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many bytes of each process's journal are in the ledger."""

ledger = sa.Table(
    "ledger",
    schema,
    sa.Column("number", Key, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", Word, nullable=False),
    sa.Column("action", Word, nullable=False),
    sa.Column("outcome", Word, nullable=False),
    sa.Column("patient_id", Word, nullable=False),
    sa.Column("issuer", Word, nullable=False),
    sa.Column("study_uid", Word, nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("actor_id", sa.BigInteger, nullable=False, server_default="0"),
)
"""Every entry, numbered from 1 without a gap; `hash` is that of the entry before and of this one's text."""

checkpoint = sa.Table(
    "audit_checkpoint",
    schema,
    sa.Column("serial", Key, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("hash", Word, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("key", Word, nullable=False),
    sa.Column("signature", Word, nullable=False),
)
"""Signed: up to entry `number` the ledger was this and no other."""

sent = sa.Table(
    "audit_sent",
    schema,
    sa.Column("receiver", Word, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How far the ledger has been sent to a syslog server."""

_ENTRY = (ledger.c.at, ledger.c.number)
_OF_PATIENT, _OF_STUDY = ledger.c.patient_id != "", ledger.c.study_uid != ""
_NOT_WELL = ledger.c.outcome != "success"
sa.Index("ix_ledger_at", *_ENTRY)
sa.Index("ix_ledger_actor", ledger.c.actor, *_ENTRY)
sa.Index("ix_ledger_action", ledger.c.action, *_ENTRY)
sa.Index("ix_ledger_patient", ledger.c.patient_id, *_ENTRY, sqlite_where=_OF_PATIENT, postgresql_where=_OF_PATIENT)
sa.Index("ix_ledger_study", ledger.c.study_uid, *_ENTRY, sqlite_where=_OF_STUDY, postgresql_where=_OF_STUDY)
sa.Index("ix_ledger_not_well", *_ENTRY, sqlite_where=_NOT_WELL, postgresql_where=_NOT_WELL)
