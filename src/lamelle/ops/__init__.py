"""Settings, wiring, serving, command line, health, demo."""
