"""DELETE: 204, then 410 on every resource; storing again brings the instance back."""

import pytest
from tests.integration.dicomweb.conftest import Client, application
from tests.integration.dicomweb.test_retrieve import url_of

from lamelle.archive.store import Archive
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing import instances
from lamelle.testing.archives import SetClock, stored


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_what_is_deleted_is_gone(client: Client, archive: Archive, level: str) -> None:
    stored(archive, [instances.instance()])
    url = url_of(instances.dataset())
    assert client.get(f"{url}/frames/1").status_code == 200
    doomed = {"study": url.split("/series")[0], "series": url.split("/instances")[0], "instance": url}[level]
    assert client.request("DELETE", doomed).status_code == 204
    assert client.request("DELETE", doomed).status_code == 410
    assert isinstance(archive.clock, SetClock)
    for path in ("", "/metadata", "/rendered", "/thumbnail", "/pixeldata"):
        answer = client.get(doomed + path)
        assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json"), path
    assert client.get("/studies").status_code == 204
    stored(archive, [instances.instance()])
    assert client.get(url).status_code == 200


def test_what_never_was_is_404(client: Client) -> None:
    assert client.request("DELETE", "/studies/1.2.3").status_code == 404
    assert client.request("DELETE", "/studies/abc").status_code == 400


def test_deletion_can_be_left_out(archive: Archive) -> None:
    stored(archive, [instances.instance()])
    client = Client(application(archive, DicomwebSettings(deletable=False)))
    url = url_of(instances.dataset())
    assert client.request("DELETE", url).status_code in {404, 405}
    assert client.get(url).status_code == 200
