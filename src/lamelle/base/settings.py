"""The ground's settings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How jobs are run."""

    lease_s: float = 60.0
    """A worker that has not renewed for so long is taken for dead; renewed every third of it."""
    attempts: int = 6
    """Failures after which a job is put with the dead, with its reason."""
    backoff_s: float = 2.0
    """Wait after the first failure; doubled each time."""
    backoff_limit_s: float = 600.0
    """Longest wait between two attempts: what was repaired is tried again within this time."""
    poll_s: float = 0.5
    """Pause of an idle runner."""
