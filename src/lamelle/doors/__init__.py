"""Protocols only: parse, ask a room, answer. No rule lives here."""
