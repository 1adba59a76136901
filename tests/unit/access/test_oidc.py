"""Where a browser may be sent, and which RPPS number a provider tells; integration/access signs in at a real one."""

import pytest

from lamelle.access.oidc import path_of_ours, rpps
from lamelle.access.providers import Shown
from lamelle.access.settings import Provider


@pytest.mark.parametrize("goal", ["/", "/studies/1.2.3?slide=4#x", "/a//b"])
def test_a_path_of_ours_is_kept(goal: str) -> None:
    assert path_of_ours(goal) == goal


@pytest.mark.parametrize(
    "goal", ["", "studies", "//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example/", "/a\r\nb: c"]
)
def test_nobody_is_sent_elsewhere(goal: str) -> None:
    assert path_of_ours(goal) == "/"


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("899700218896", "99700218896"),
        ("99700218896", "99700218896"),
        ("899700218897", ""),
        ("399700218896", ""),
        ("99700218896\n", ""),
        (99700218896, ""),
        (None, ""),
    ],
)
def test_an_rpps_number_is_read_from_a_trusted_claim(told: object, number: str) -> None:
    provider = Provider("psc", "https://psc.example", "lamelle", rpps_claims=("SubjectNameID",))
    assert rpps(Shown(provider, {"sub": "x", "SubjectNameID": told, "preferred_username": "810001234565"})) == number
