"""Small previews, made once and kept; never from a LABEL or OVERVIEW image."""
