"""A real nginx with TLS in front of a server of ours, by the configuration that is shipped."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from realm.world import CHECKOUT
from tests.support.certificates import make_certificate
from tests.support.servers import free_port, wait_until

CONFIG = CHECKOUT / "configs" / "proxy" / "nginx.conf"
NAME = "realm.example.org"
_TEMPORARY = "".join(
    f"{module}_temp_path {{home}}/{module}; " for module in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)
_AROUND = (
    "daemon off; master_process off; pid {home}/pid; error_log {home}/error.log; events {{}} "
    "http {{ access_log off; " + _TEMPORARY + "include {home}/realm.conf; }}"
)


@dataclass(frozen=True)
class Site:
    port: int
    certificate: Path

    @property
    def host(self) -> str:
        return f"{NAME}:{self.port}"

    @property
    def origin(self) -> str:
        return f"https://{self.host}"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def connection(self) -> socket.socket:
        """Before anything is said."""
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def browser(self) -> httpx2.Client:
        """With a jar for cookies; it looks for the site by its name, as the address bar says."""
        client = httpx2.Client(base_url=f"https://127.0.0.1:{self.port}", verify=self.context, timeout=60)
        client.headers["Host"] = self.host
        client.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=NAME)]
        return client


@contextmanager
def nginx(home: Path, port: int, served_port: int) -> Iterator[Site]:
    """Listening on `port` for the server on `served_port`; gone on leaving."""
    home.mkdir()
    prepare(home, port, served_port)
    process = subprocess.Popen(["nginx", "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        wait_until(lambda: process.poll() is not None or _takes(port))
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield Site(port, home / "realm.pem")
    finally:
        process.terminate()
        process.communicate()


def prepare(home: Path, port: int, served_port: int) -> None:
    """What is shipped, with free ports and a certificate of its own."""
    certificate = make_certificate(home / "realm.pem", NAME)
    shipped = CONFIG.read_text(encoding="utf-8")
    changes = {
        "/etc/ssl/certs/realm.pem": str(certificate), "/etc/ssl/private/realm.key": str(certificate),
        "listen 443": f"listen 127.0.0.1:{port}", "listen 80": f"listen 127.0.0.1:{free_port()}",
        "127.0.0.1:8888": f"127.0.0.1:{served_port}",
    }  # fmt: skip
    for told, ours in changes.items():
        assert told in shipped
        shipped = shipped.replace(told, ours)
    (home / "realm.conf").write_text(shipped, encoding="utf-8")
    user = "user root; " if os.getuid() == 0 else ""
    (home / "nginx.conf").write_text(user + _AROUND.format(home=home), encoding="utf-8")


def _takes(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
