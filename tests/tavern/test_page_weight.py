"""What a page weighs on its way to a browser: scripts and sheets, compressed by the server, without the charts."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from realm.web.compressed import Compressed
from realm.world import World
from tests.watchtower.factories import append_steps, make_battle, record

pytestmark = pytest.mark.django_db

MOST_BYTES = 150_000
PAGES = ("/", "/quests", "/vault", "/battles/b1/replay")
"""The heaviest of each kind."""
_TAGS = re.compile(r'<(?:script[^>]*src|link rel="stylesheet"[^>]*href)="([^"]+)"')
_IMPORTS = re.compile(r'^(?:import|export)\b[^;"]*?\bfrom "([^"]+)"|^import "([^"]+)"', re.MULTILINE)
CHARTS = ("uplot", "chart")


class Browser:
    """Loads what a page names, and what its modules import."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.bytes: dict[str, int] = {}

    def open(self, page: str) -> int:
        answer = self.client.get(page)
        assert answer.status_code == 200, page
        self.bytes = {}
        for address in _TAGS.findall(answer.content.decode()):
            self.load(address.partition("?")[0])
        return sum(size for address, size in self.bytes.items() if not any(word in address for word in CHARTS))

    def load(self, address: str) -> None:
        if address in self.bytes:
            return
        answer = self.client.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, address
        body = answer.getvalue()
        self.bytes[address] = len(body)
        text = (gzip.decompress(body) if answer.get("Content-Encoding") == "gzip" else body).decode()
        for name in self.imports(text) if address.endswith(".js") else ():
            folder = address.rpartition("/")[0].split("/")
            for part in name.split("/"):
                folder = folder[:-1] if part == ".." else folder if part == "." else [*folder, part]
            self.load("/".join(folder))

    @staticmethod
    def imports(text: str) -> Iterator[str]:
        for named, whole in _IMPORTS.findall(text):
            yield named or whole


@pytest.fixture
def reader(world: World, skills_folder: Path, client: Client) -> Browser:
    make_battle(world)
    append_steps(world, "b1", [record(step) for step in range(1, 4)])
    return Browser(client)


def check_weights(reader: Browser) -> None:
    weights = {page: reader.open(page) for page in PAGES}
    assert {page: weight for page, weight in weights.items() if weight > MOST_BYTES} == {}
    assert min(weights.values()) > 10_000


@pytest.mark.slow
def test_no_page_is_heavy(reader: Browser) -> None:
    check_weights(reader)


@pytest.mark.slow
def test_twin_without_the_servers_compression_it_is_thrice_as_heavy(
    reader: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = reader.open("/")
    monkeypatch.setattr(Compressed, "process_response", lambda self, request, response: response)
    assert reader.open("/") > 2.5 * packed


def test_the_same_text_with_and_without(reader: Browser) -> None:
    """By who asks; a picture that is none of text, a range and what is not new go as they are."""
    client, sheet = reader.client, "/static/css/shared/realm.css"
    plain, packed = client.get(sheet), client.get(sheet, headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.getvalue()) == plain.getvalue()
    assert packed["Vary"] == plain["Vary"] == "Accept-Encoding"
    assert int(packed["Content-Length"]) == len(packed.getvalue()) < int(plain["Content-Length"]) / 2
    again = {"Accept-Encoding": "gzip", "If-Modified-Since": packed["Last-Modified"]}
    assert client.get(sheet, headers=again).status_code == 304
    part = client.get(sheet, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-9"})
    assert (part.status_code, len(part.getvalue())) == (206, 10)
    font = client.get("/static/vendor/fonts/inter-latin-variable.woff2", headers={"Accept-Encoding": "gzip"})
    assert not font.has_header("Content-Encoding")
    font.close()


def test_a_pages_length_is_blurred_and_what_flows_on_is_not_held_back(world: World, client: Client) -> None:
    make_battle(world)
    append_steps(world, "b1", [record(step) for step in range(1, 4)])
    gzipped = {"Accept-Encoding": "gzip"}
    assert len({len(client.get("/battles/b1/steps/1", headers=gzipped).content) for _ in range(4)}) > 1
    flowing = client.get("/api/training/runs/b1/curves.csv", headers=gzipped)
    assert flowing.streaming
    assert not flowing.has_header("Content-Encoding")
