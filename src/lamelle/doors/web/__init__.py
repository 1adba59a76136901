"""The pages and the JSON they read."""
