"""Spellings of addresses that no file of the player's may lead to, and a server that stands at one of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import pytest

from realm.web import forbidden_addresses, forbidden_connections

SPELLINGS = (
    "169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376",
    "0251.254.169.254", "169.254.43518", "169.16689662", "169.254.169.254.", "0xa9fea9fe.", "025177524776",
    "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
    "[fd00:ec2::254]", "fe80::1", "fe80::a9fe:a9fe%eth0", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe",
    "[::ffff:169.254.169.254]", "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::1", "fe80::5efe:a9fe:a9fe",
    "2001:db8::5efe:169.254.169.254", "0:0:0:0:0:ffff:a9fe:a9fe", "１６９.２５４.１６９.２５４", "169。254。169。254",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "169%2e254%2e169%2e254", "%31%36%39.254.169.254", "metadata.google.internal",
    "METADATA.google.internal.", "metadata", "metadata.goog", "instance-data", "ｍetadata.google.internal",
    "metadata%2egoogle.internal", "meta\u00addata.google.internal", "0.0.0.0", "0", "::", "224.0.0.1", "ff02::1",
    "255.255.255.255", "240.0.0.1", "0.0.0.1",
)  # fmt: skip
ALLOWED = (
    "127.0.0.1", "localhost", "::1", "[::1]", "192.168.1.5", "10.0.0.8", "172.16.0.3", "fd12:3456::1", "nas.local",
    "oracle.example", "8.8.8.8", "2001:db8::1", "::ffff:192.168.1.5", "64:ff9b::c0a8:105", "bücher.example",
    "xn--bcher-kva.example", "metadata.example", "169.example", "100.100.100.201",
)  # fmt: skip
URLS = (
    "http://{}", "https://{}:8443/v1", "s3://{}/bucket", "webdav://user@{}/dav", "ssh://{}:22/", "ntfys://{}/topic",
    "json://name:password@{}:80/path?a=b", "http://good.example@{}/", "http://{}@good.example/", "HTTP://{}#a",
    "http:\\\\{}\\a", "http://good.example\\@{}/", "http://a@b@{}", "http://{}\\@good.example/",
)  # fmt: skip

ADDRESS = "127.0.0.9"
"""Stands for a cloud's metadata, since none of its own addresses can be listened on here."""


@contextmanager
def metadata_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    """A server at ADDRESS that counts who asks; ADDRESS counts as a cloud's from now on."""
    metadata = forbidden_addresses._METADATA
    monkeypatch.setattr(forbidden_addresses, "_METADATA", (*metadata, ip_network(f"{ADDRESS}/32")))
    forbidden_connections.refuse()
    server = MetadataServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class MetadataServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__((ADDRESS, 0), _Counting)
        self.asked: list[str] = []
        self.port = self.server_address[1]


class _Counting(BaseHTTPRequestHandler):
    server: MetadataServer

    def __getattr__(self, name: str) -> Any:
        """Any method will do."""
        if name.startswith("do_"):
            return self._tell
        raise AttributeError(name)

    def _tell(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def rebind(monkeypatch: pytest.MonkeyPatch, name: str, *addresses: str) -> None:
    """Whoever resolves `name` learns one address after another, and then the last one again and again."""
    left, resolve = list(addresses), socket.getaddrinfo

    def answer(host: Any, *arguments: Any, **options: Any) -> Any:
        if host in (name, name.encode()):
            host = left.pop(0) if len(left) > 1 else left[0]
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
