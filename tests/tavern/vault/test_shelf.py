"""The vault's shelf and the page of one chest: what they show, in which order, and at what cost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from realm.checkpoints import branches, sidecar
from realm.checkpoints.sidecar import MeasuredOver
from realm.world import World
from tavern.vault import shelf, tree
from tavern.vault.shelf import InParts, Wanted
from tests.support.checkpoints import WEIGHTS, make_checkpoint
from tests.support.pages import in_one_line
from tests.support.tavern_guild import HERO, answered, skill_folder
from tests.support.tavern_quests import HOSTILE
from tests.watchtower.factories import tell
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.index import scan
from vault.models import Asset, Checkpoint, Location

__all__ = ["skill_folder"]  # a fixture
pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MOST_QUERIES = 14
MOST_ROWS = 2 * shelf.PER_PAGE + 100  # the newest is sought by the hundred


@pytest.fixture(autouse=True)
def _skills(world: World, skill_folder: Path) -> None:
    """Every test has a world and skills of its own."""


def save(world: World, step: int, branch: str = "", *, at: str = "1230", **fields: Any) -> Path:
    return make_checkpoint(world.heroes, step, branch=branch, name=f"checkpoint-{step}-20260101-{at}", **fields)


@pytest.fixture
def hero(world: World) -> Path:
    """Steps 1 to 3 on the first branch; on the second, which is active, 3 and 4 from 2 on; a third from 3 of it."""
    first = [save(world, step, train_loss=float(step)) for step in (1, 2, 3)]
    branches.go_on_from(first[0].parent, sidecar.read(first[1]), moment=NOW)
    own = [save(world, step, "2", at="1240", train_loss=None) for step in (3, 4)]
    branches.go_on_from(first[0].parent, sidecar.read(own[0]), moment=NOW)
    save(world, 4, "3", at="1250")
    branches.go_on_from(first[0].parent, sidecar.read(own[1]), moment=NOW)
    scan(world)
    return first[0].parent


def page(client: Client, address: str = "/vault", status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, response.content[-2000:]
    return in_one_line(response.content.decode())


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def chests(html: str) -> list[str]:
    return re.findall(r'id="chest-DIO-checkpoint-([^"]+)"', html)


def test_an_empty_world_says_what_fills_it(client: Client) -> None:
    text = words(page(client))
    assert "DIO has saved no checkpoint yet" in text
    assert "0 checkpoints" in text


def test_the_tree_has_its_root_first_and_the_shelf_the_active_branch(hero: Path, client: Client) -> None:
    nodes = tree.read_tree(HERO)
    assert [(node.key, node.depth, node.count, node.active, node.on_line) for node in nodes] == [
        ("1", 0, 3, False, True),
        ("2", 1, 2, True, True),
        ("3", 2, 1, False, False),
    ]
    html = page(client)
    assert [name.replace("-20260101-", " ") for name in chests(html)] == [
        "4 1240", "3 1240", "3 1230", "2 1230", "1 1230", "4 1250",
    ]  # fmt: skip
    assert "from step 2 of branch 1" in words(html)


QUERIES = {
    "branch=1": "3 2 1",
    "branch=2&sort=age": "4 3",
    "sort=train_loss&branch=1": "1 2 3",
    "sort=train_loss&branch=2": "4 3",
    "sort=step&branch=3": "4",
    "show=protected": "2",
    "show=weights": "1",
    "show=damaged": "3",
    "q=CHECKPOINT-3-20260101-1230": "3",
    "q=nothing": "",
    "skill=bits": "",
    "sort=levels&branch=1": "2 3 1",
    "sort=rubbish&show=rubbish&page=rubbish&branch=1": "3 2 1",
}


def test_what_is_asked_for_is_shown(hero: Path, client: Client) -> None:
    Checkpoint.objects.filter(step=2).update(protected=True)
    Checkpoint.objects.filter(step=1).update(weights_only=True)
    locate("checkpoint-3-20260101-1240", state=Location.State.DAMAGED, reason="model.safetensors has changed")
    answered(2, 9, checkpoint="checkpoint-2-20260101-1230")
    for query, steps in QUERIES.items():
        assert [name.split("-")[0] for name in chests(page(client, f"/vault?{query}"))] == steps.split(), query


def locate(name: str, stronghold: str = "local", **fields: Any) -> Location:
    asset, _ = Asset.objects.get_or_create(
        asset_id=checkpoint_id(HERO, name),
        defaults={"kind": "checkpoint", "name": name, "hero": HERO, "created_at": NOW},
    )
    return Location.objects.create(asset=asset, stronghold=stronghold, path=name, seen_at=NOW, **fields)


def test_a_chest_says_what_it_holds_and_where_it_lies(world: World, hero: Path, client: Client) -> None:
    over = MeasuredOver(name="what was taught", rows=1200, sha256="0" * 64)
    save(world, 9, "2", val_loss=2.5, val_set=over)
    scan(world)
    for level, correct in ((1, 9), (2, 0), (3, 5)):
        answered(9, correct, level=level, checkpoint="checkpoint-9-20260101-1230", branch="2")
    locate("checkpoint-9-20260101-1230", "nas")
    locate("checkpoint-9-20260101-1230", "bucket", state=Location.State.MISSING)
    html = page(client)
    chest = html[html.index('id="chest-DIO-checkpoint-9') : html.index('id="chest-DIO-checkpoint-4')]
    assert 'title="over what was taught: 1,200 rows"' in chest
    assert 'aria-label="holds level 1"' in chest
    assert re.findall(r'class="cell (\w+)"', chest) == ["enough", "nothing", "some"]
    assert "1 copy elsewhere" in words(chest)
    assert "nas (present)" in chest
    assert "bucket (missing)" in chest
    assert "newest" in words(chest)
    assert 'value="checkpoint-9-20260101-1230"' in chest, "go on from here"


@pytest.fixture
def many(world: World) -> int:
    """Rows of 2,000 checkpoints, of which the newest lies on the disk, and a chronicle that has begun."""
    tell("vault", 1, kind="new_champion")
    save(world, 2000)
    scan(world)
    Checkpoint.objects.bulk_create(
        Checkpoint(
            hero=HERO, name=f"checkpoint-{step}-20260101-1230", step=step, created_at=NOW + timedelta(step),
            train_loss=1.0, learning_rate=0.1, epoch=0, quest="q", battle="b", size_bytes=1, sidecar_sha256="",
        )
        for step in range(1, 2000)
    )  # fmt: skip
    return 2000


def cost(client: Client, monkeypatch: pytest.MonkeyPatch, address: str) -> tuple[int, int]:
    """Queries, and checkpoints that were read from them."""
    read, made = Checkpoint.from_db, []
    with monkeypatch.context() as patch, CaptureQueriesContext(connection) as queries:
        patch.setattr(Checkpoint, "from_db", lambda *given: made.append(given) or read(*given))
        assert len(chests(page(client, address))) == shelf.PER_PAGE
    return len(queries), len(made)


def test_a_page_costs_the_same_whatever_lies_there(many: int, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for sort in shelf.SORTS:
        queries, rows = cost(client, monkeypatch, f"/vault?sort={sort}&page=3")
        assert queries <= MOST_QUERIES, sort
        assert rows <= MOST_ROWS, sort


def test_twin_a_shelf_that_lists_all_is_caught(many: int, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InParts, "__getitem__", lambda self, part: [*self._parts[0][0]][part])
    _, rows = cost(client, monkeypatch, "/vault?page=3")
    assert rows > MOST_ROWS


def test_pages_of_a_shelf_lose_and_repeat_nothing(hero: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PER_PAGE", 4)
    order = tree.in_order(tree.read_tree(HERO))
    found = []
    for number in (1, 2):
        wanted = Wanted.of(QueryDict(f"page={number}"), HERO)
        found += [row.pk for row in shelf.read_page(world, wanted, branches=order)]
    assert sorted(found) == sorted(Checkpoint.objects.values_list("pk", flat=True))


def test_the_page_of_a_chest_says_all_of_it(world: World, hero: Path, client: Client) -> None:
    name = "checkpoint-3-20260101-1240"
    locate(name, "nas", verified_at=NOW)
    chronicle.record(world, "verify", by="page", asset_id=checkpoint_id(HERO, name), damaged=0)
    html = page(client, f"/vault/DIO/{name}")
    text = words(html)
    assert sidecar.read(hero / name).files[WEIGHTS].sha256 in html
    assert "Branch 3 begins at it" in text
    assert "/vault/DIO/checkpoint-2-20260101-1230" in html
    assert "verify by page" in text
    assert "nas" in text


def test_damage_and_absence_are_told(world: World, hero: Path, client: Client) -> None:
    name = "checkpoint-3-20260101-1240"
    (hero / name / WEIGHTS).write_bytes(b"")
    assert "model.safetensors has another size" in page(client, f"/vault/DIO/{name}")
    gone = "checkpoint-77-20260101-1240"
    page(client, f"/vault/DIO/{gone}", status=404)
    locate(gone, "nas")
    assert "It does not lie on this machine any more" in page(client, f"/vault/DIO/{gone}")
    for address in ("/vault/DIO/..%2f..%2fsecrets", "/vault/../secrets", "/vault/..%2f/checkpoint-1-20260101-1230"):
        assert client.get(address).status_code == 404, address


def test_hostile_names_stay_words(world: World, client: Client) -> None:
    save(world, 1, quest=HOSTILE)
    scan(world)
    for address in ("/vault", "/vault/DIO/checkpoint-1-20260101-1230", f"/vault?q={HOSTILE}&hero={HOSTILE}"):
        assert "<script>alert" not in page(client, address)
