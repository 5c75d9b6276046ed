"""No spelling of a path leads a request out of the world, nor into its secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.traversals import traversals
from vault.api import paths
from vault.errors import VaultError
from vault.index import scan
from vault.jobs import kinds
from vault.models import Job

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ID = "checkpoint_100_DIO_20260101-1230"
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/locate/{}", {}),
    ("GET", "/api/asset/{}", {}),
    ("GET", "/api/zones/{}", {}),
    ("GET", "/api/ledger/{}", {}),
    ("GET", "/api/ledger?hero={}", {}),
    ("GET", "/api/ledger/100/compare?other={}", {}),
    ("POST", "/api/ledger/{}/verify", {}),
    ("DELETE", "/api/ledger/{}", {}),
    ("POST", "/api/ledger/100/export", {"name": None}),
    ("POST", "/api/trash/{}/undo", {}),
    ("POST", "/api/fetch", {"asset_id": None}),
    ("POST", "/api/fetch", {"asset_id": ID, "destination": None}),
    ("POST", "/api/register", {"path": None}),
    ("POST", "/api/scan", {"path": None}),
    ("POST", "/api/transfer", {"asset_path": None, "to_zone": "3090"}),
    ("POST", "/api/transfer", {"asset_id": ID, "to_zone": None}),
    ("POST", "/api/transfer", {"asset_id": ID, "from_zone": "3090", "destination": None}),
]
"""Those who take a path or a name: it stands for {} or None."""
EVERY = 101
"""Of the spellings one in so many goes over HTTP; all of them go to the functions that judge paths."""


@pytest.fixture
def place(world: World) -> World:
    make_checkpoint(world.heroes, 100)
    (world.home / "hosts.yaml").write_text("3090: {host: 192.0.2.30, services: {zone: {}}}\n")
    (world.secrets / "tokens.json").write_text("{}")
    (world.home.parent / "outside.txt").write_text("untouched")
    scan(world)
    return world


def judged(world: World, text: str) -> Iterator[Path]:
    """Where each of them would go."""
    for judge in (
        paths.in_world,
        lambda world, text: world.home / paths.asset_at(world, text),
        kinds.fetched_path,
        kinds.export_folder,
    ):
        try:
            yield judge(world, text)
        except VaultError:
            continue


def led_out(world: World) -> list[str]:
    """The spellings that lead to where nothing of the vault's may be."""
    (world.home / "exports").mkdir(exist_ok=True)
    (world.home / "exports" / "link").symlink_to(world.home.parent)
    allowed = [world.models, world.home / "data", world.home / "exports", world.vault / "fetched", world.queue]
    spelled = [
        *traversals(), *traversals("outside.txt"), "exports/link/outside.txt", "link/outside.txt",
        "secrets/tokens.json", "data/../secrets/tokens.json", f"{world.home}/../outside.txt", f"{world.secrets}",
    ]  # fmt: skip
    return [
        text
        for text in spelled
        for path in judged(world, text)
        if not os.path.realpath(path).startswith(tuple(f"{root}/" for root in (*allowed, world.presets)))
    ]


def test_no_spelling_leads_out(place: World) -> None:
    assert led_out(place) == []


def test_twin_without_the_judges_some_lead_out(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (paths, kinds.manifest):
        monkeypatch.setattr(module, "is_safe_path", str.isprintable)
    monkeypatch.setattr(Path, "is_relative_to", lambda path, root: True)
    found = led_out(place)
    assert "exports/link/outside.txt" in found
    assert "../outside.txt" in found


def ask_all(client: Client, spellings: list[str]) -> set[int]:
    """The statuses that all path-taking calls answer with."""
    codes = set()
    for method, path, body in CALLS:
        for text in spellings:
            address = path.format(quote(text, safe="", errors="surrogatepass"))
            filled = {key: text if value is None else value for key, value in body.items()}
            sent = {} if method == "GET" else {"data": json.dumps(filled), "content_type": "application/json"}
            codes.add(getattr(client, method.lower())(address, **sent).status_code)
    return codes


def test_no_request_touches_what_is_outside(client: Client, place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(job: Job, progress: Any) -> dict[str, Any]:
        target = kinds.fetched_path(place, job.destination or job.asset_id or "scan")
        assert target.resolve().is_relative_to(place.vault / "fetched")
        return {}

    monkeypatch.setattr(kinds, "ACTS", dict.fromkeys(Job.Kind.values, act))
    before = sorted(path.relative_to(place.home.parent) for path in place.home.parent.rglob("*"))
    codes = ask_all(client, traversals()[::EVERY])
    assert codes <= {200, 301, 404, 405, 409, 422}
    after = sorted(path.relative_to(place.home.parent) for path in place.home.parent.rglob("*"))
    assert [path for path in after if path not in before and "vault" not in path.parts] == []
    assert (place.home.parent / "outside.txt").read_text() == "untouched"
