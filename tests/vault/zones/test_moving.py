"""`push_to_zone` and `pull_from_zone` in a world, and what it knows of its zones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from realm.checkpoints import sidecar
from realm.disk import durable
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.servers import free_port
from tests.support.zones import Served, contents, make_model, served
from vault import pull_from_zone, push_to_zone
from vault.chronicle import read
from vault.errors import NotFound, Refused
from vault.models import Checkpoint, Location, Zone
from vault.zones import directory
from vault.zones.stronghold import ZoneStronghold

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ID = "checkpoint_100_DIO_20260101-1230"


@pytest.fixture
def zone(world: World, tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "zone") as there:
        say(world, there.port)
        yield there


def say(world: World, port: int, **more: object) -> None:
    entry = {"host": "127.0.0.1", "services": {"zone": {"port": port}}, **more}
    durable.write_json(world.home / "hosts.json", {"3090": entry})


def test_a_checkpoint_goes_there_by_its_path_and_comes_back_to_its_hero(world: World, zone: Served) -> None:
    folder = make_checkpoint(world.heroes, 100)
    world.current_model.symlink_to("heroes/DIO")
    there = zone.base / "heroes" / "DIO" / folder.name
    moved = push_to_zone(str(world.current_model / folder.name), "3090")
    assert (moved.success, moved.asset_id, moved.zone, moved.destination) == (True, ID, "3090", str(there))
    assert moved.bytes_transferred == sum(map(len, contents(folder).values()))
    assert contents(there) == contents(folder)
    copy = Location.objects.get(stronghold="3090")
    assert (copy.asset.asset_id, copy.path) == (ID, f"heroes/DIO/{folder.name}")
    assert copy.verified_at is not None

    folder.rename(world.home / "away")
    back = pull_from_zone("checkpoint_100", "3090", by="page")
    assert back.destination == str(folder)
    assert sidecar.verify(folder).step == 100
    assert Checkpoint.objects.get().name == folder.name
    assert [(line.action, line.by, line.asset_id) for line in read(world)] == [
        ("push", "command line", ID),
        ("pull", "page", ID),
    ]


def test_the_seeds_call_takes_a_path_of_the_other_machine(world: World, zone: Served) -> None:
    folder = make_checkpoint(zone.base / "models", 100)
    assert pull_from_zone(str(folder), "3090").destination == str(world.heroes / "DIO" / folder.name)


def test_by_command_with_a_folder_to_put_it_in(world: World, zone: Served, tmp_path: Path) -> None:
    source = make_model(zone.base / "Qwen3-0.6B", 1000)
    said = StringIO()
    call_command("vault", "pull", "model_qwen3_0.6b", "3090", "--to", str(tmp_path / "got"), "--json", stdout=said)
    assert json.loads(said.getvalue())["bytes_transferred"] == 1002
    assert contents(tmp_path / "got" / "Qwen3-0.6B") == contents(source)


def test_an_asset_of_the_vault_keeps_its_id_there(world: World, zone: Served) -> None:
    """Its file's name says less than its id."""
    rows = world.validation / "mine.jsonl"
    rows.write_text("{}\n", encoding="utf-8")
    call_command("vault", "scan", stdout=StringIO())
    moved = push_to_zone("data_validation_mine", "3090")
    assert zone.client.asset("data_validation_mine").path == Path(moved.destination).relative_to(zone.base).as_posix()
    rows.unlink()
    assert Path(pull_from_zone("data_validation_mine", "3090").destination).read_text(encoding="utf-8") == "{}\n"


def push_where_another_zone_answers(world: World, zone: Served) -> None:
    hosts = {"4090": {"host": "127.0.0.1", "services": {"zone": {"port": zone.port}}}}
    durable.write_json(world.home / "hosts.json", hosts)
    push_to_zone(make_checkpoint(world.heroes, 100), "4090")


def test_nothing_is_sent_to_a_machine_that_is_another_zone_now(world: World, zone: Served) -> None:
    with pytest.raises(Refused, match="calls itself zone '3090'"):
        push_where_another_zone_answers(world, zone)
    assert contents(zone.base) == {}


def test_twin_without_asking_first_it_would_be(world: World, zone: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ZoneStronghold, "check_answers", lambda stronghold: None)
    push_where_another_zone_answers(world, zone)
    assert (zone.base / "heroes").exists()


def test_zones_that_there_are_not_are_named(world: World, zone: Served) -> None:
    with pytest.raises(NotFound, match="known: 3090"):
        push_to_zone(str(world.home), "4090")
    with pytest.raises(NotFound, match="does not exist"):
        push_to_zone("/nowhere", "3090")
    with pytest.raises(Refused, match="is no checkpoint, model, data"):
        push_to_zone(str(world.home), "3090")
    with pytest.raises(NotFound, match="has nothing at"):
        pull_from_zone("/nowhere", "3090")


def test_what_a_zone_says_is_written_down_and_stays_when_it_is_silent(world: World, zone: Served) -> None:
    make_checkpoint(zone.base / "heroes", 100)
    (row,) = directory.refresh(world)
    assert (row.zone_id, row.state, row.assets, row.protocol) == ("3090", Zone.State.ONLINE, 1, "1")
    seen = row.last_seen_at
    say(world, free_port())
    (row,) = directory.refresh(world, seconds=1)
    assert (row.state, row.assets, row.last_seen_at) == (Zone.State.SILENT, 1, seen)
    assert "does not answer" in row.message
    said = StringIO()
    call_command("vault", "zones", stdout=said)
    assert "last seen" in said.getvalue()
    durable.write_json(world.home / "hosts.json", {})
    assert directory.refresh(world) == []
    assert not Zone.objects.exists()


def test_a_token_that_cannot_be_read_is_told(world: World, zone: Served) -> None:
    say(world, zone.port, token_file="none")
    (row,) = directory.refresh(world)
    assert (row.state, "token of zone 3090 cannot be read" in row.message) == (Zone.State.REFUSED, True)
