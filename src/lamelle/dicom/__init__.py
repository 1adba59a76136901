"""Bytes to meaning and back (PS3.3/5/6/10/15/18). Pure: no network, no archive."""
