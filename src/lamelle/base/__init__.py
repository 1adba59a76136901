"""The ground: errors, identifiers, clock, database, events, jobs, telemetry. No word of medicine."""
