"""The history of the catalogue's schema, run by Alembic; their sum is the schema the rooms declare (tested)."""
