"""Alembic's entry: runs on the connection and in the transaction of Database.migrate."""

from alembic import context

from lamelle.access import proofs
from lamelle.access import tables as access
from lamelle.archive import catalogue, commitment, forwarding
from lamelle.audit import tables as audit
from lamelle.base import events
from lamelle.base.db import schema

ROOMS = (access, proofs, catalogue, commitment, forwarding, audit, events)
"""Importing a room declares its tables on `schema`."""

context.configure(connection=context.config.attributes["connection"], target_metadata=schema)
context.run_migrations()
