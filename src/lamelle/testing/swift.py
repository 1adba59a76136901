"""A one-node OpenStack Swift on loopback, with its S3 interface: a real object store from PyPI alone.

It lives in a virtual environment of its own under .cache, since its pins are not ours.
"""

import getpass
import http.client
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVERS = ("account", "container", "object")
USER, KEY = "test:tester", "testing"
START_S = 30

RELEASE = "swift==2.38.3"
_CONF = """[swift-hash]
swift_hash_path_suffix = s
swift_hash_path_prefix = p
[storage-policy:0]
name = p0
default = yes
"""
_SERVER = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {folder}/dev
mount_check = false
swift_dir = {folder}/etc
workers = 1
user = {user}
log_name = swift
recon_cache_path = {folder}/cache
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}/etc
user = {user}
workers = 1
log_name = swift
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy slo dlo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{nothing}
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
minimum_segment_size = 1
"""
_PLAIN = ("catch_errors", "gatekeeper", "listing_formats", "copy", "dlo", "symlink")


@dataclass(frozen=True, slots=True)
class Server:
    """Where a running store answers."""

    endpoint: str
    access_key: str = USER
    secret_key: str = KEY


def installed(cache: Path) -> Path | None:
    """The `bin` folder of an environment with Swift, made when it is not there; None when it can't be."""
    binaries = cache / "swift" / "bin"
    if (binaries / "swift-proxy-server").exists():
        return binaries
    made = subprocess.run([sys.executable, "-m", "venv", cache / "swift"], check=False, capture_output=True)
    pip: list[str | Path] = [binaries / "pip", "install", "-q", RELEASE]
    if made.returncode or subprocess.run(pip, check=False, capture_output=True).returncode:
        shutil.rmtree(cache / "swift", ignore_errors=True)
        return None
    return binaries


@contextmanager
def running(binaries: Path, folder: Path) -> Iterator[Server]:
    """A store in `folder` that ends with the context."""
    for name in ("etc", "dev/d1", "cache"):
        (folder / name).mkdir(parents=True)
    ports = dict(zip((*SERVERS, "proxy", "nothing"), _free_ports(5), strict=True))
    facts = {"folder": folder, "user": getpass.getuser(), "nothing": ports["nothing"]}
    etc = folder / "etc"
    (etc / "swift.conf").write_text(_CONF)
    for name in SERVERS:
        (etc / f"{name}.conf").write_text(_SERVER.format(name=name, port=ports[name], **facts))
        _ring(binaries, etc, name, ports[name])
    plain = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _PLAIN)
    (etc / "proxy.conf").write_text(_PROXY.format(port=ports["proxy"], **facts) + plain)
    processes = []
    try:
        for name in (*SERVERS, "proxy"):
            command: list[str | Path] = [
                "env",
                f"SWIFT_DIR={etc}",
                binaries / f"swift-{name}-server",
                etc / f"{name}.conf",
            ]
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        for name in (*SERVERS, "proxy"):
            _wait(ports[name])
        yield Server(f"http://127.0.0.1:{ports['proxy']}")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def make_bucket(server: Server, name: str) -> None:
    """Make a bucket, by a request signed the S3 way."""
    import base64
    import hashlib
    import hmac
    from email.utils import formatdate

    date = formatdate(usegmt=True)
    text = f"PUT\n\n\n{date}\n/{name}"
    signature = base64.b64encode(hmac.new(server.secret_key.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"Date": date, "Authorization": f"AWS {server.access_key}:{signature}"}
    connection = http.client.HTTPConnection(server.endpoint.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request("PUT", f"/{name}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()


def _ring(binaries: Path, etc: Path, name: str, port: int) -> None:
    builder: list[str | Path] = [binaries / "swift-ring-builder", f"{name}.builder"]
    for arguments in (("create", "4", "1", "1"), ("add", f"r1z1-127.0.0.1:{port}/d1", "1"), ("rebalance",)):
        subprocess.run([*builder, *arguments], cwd=etc, check=False, capture_output=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait(port: int) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the object store does not start")
