"""Scan quality control: what a scan's pixels say of it, before a pathologist does.

pixels reads; tissue, focus, artefacts and overview look; measuring joins them; judging says what it means by the
thresholds; checking keeps it. No model was trained: each measure is a length, an area or a share that a person can see.
"""

from lamelle.lab.quality.checking import JOB, JUDGE, Found, again, check, heatmap, judged, of
from lamelle.lab.quality.judging import Measure
from lamelle.lab.quality.limits import Limit, Threshold, put
from lamelle.lab.quality.limits import listed as thresholds

__all__ = [
    "JOB", "JUDGE", "Found", "Limit", "Measure", "Threshold", "again", "check", "heatmap", "judged", "of", "put",
    "thresholds",
]  # fmt: skip
