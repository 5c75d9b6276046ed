"""How many copies each checkpoint has, and the missing ones made."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from guild.tasks import conditions
from realm.config import CopiesRules
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from vault.assets.discovery import VaultDiscovery
from vault.copies import policy
from vault.index import scan
from vault.models import Checkpoint, Location
from vault.strongholds.registry import StorageRegistry

pytestmark = pytest.mark.django_db


def test_where_copies_go() -> None:
    def where(rules: CopiesRules, have: set[str]) -> tuple[tuple[str, ...], int]:
        return policy._where(rules, have, {"nas", "bucket"}, ["disk2", "nas", "bucket"])

    two = CopiesRules()
    assert where(two, {"local"}) == (("nas",), 0)
    assert where(two, {"local", "disk2"}) == (("nas",), 0)
    assert where(two, {"local", "nas"}) == ((), 0)
    assert where(CopiesRules(copies=3), {"local", "nas"}) == (("bucket",), 0)
    assert where(CopiesRules(copies=5, elsewhere=2), {"local"}) == (("nas", "bucket", "disk2"), 1)
    assert where(CopiesRules(copies=4, elsewhere=4), {"local"}) == (("nas", "bucket"), 2)
    with pytest.raises(ValueError, match="2 of 1 copies cannot be"):
        CopiesRules(copies=1, elsewhere=2)


@pytest.mark.slow
def test_missing_copies_are_made_and_old_ones_read(world: World, checkpoint: Path, nas: Path) -> None:
    make_checkpoint(world.heroes, 200)
    scan(world)
    before = list(policy.survey(world, CopiesRules()))
    assert [(each.name, each.unverified, each.to) for each in before] == [
        (name, ("local",), ("nas",)) for name in ("checkpoint-200-20260101-1230", "checkpoint-100-20260101-1230")
    ]
    done = policy.apply(world, CopiesRules(), by="taskmaster")
    assert (len(done.made), len(done.verified), done.failed) == (2, 2, [])
    assert all(each.is_enough and each.elsewhere == 1 for each in policy.survey(world, CopiesRules()))
    again = policy.apply(world, CopiesRules(), by="taskmaster")
    assert (again.made, again.verified, again.failed) == ([], [], [])
    assert Location.objects.filter(stronghold="nas").count() == 2


def test_only_the_protected_where_that_is_wished(world: World, checkpoint: Path, nas: Path) -> None:
    assert not list(policy.survey(world, CopiesRules(which="protected")))
    Checkpoint.objects.update(protected=True)
    assert len(list(policy.survey(world, CopiesRules(which="protected")))) == 1
    assert not list(policy.survey(world, CopiesRules(which="champion")))


def test_a_look_costs_no_row_of_each_checkpoint(
    world: World, checkpoint: Path, nas: Path, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for step in (200, 300):
        make_checkpoint(world.heroes, step)
    VaultDiscovery(world).scan_local()
    with django_assert_max_num_queries(4):
        assert len(list(policy.survey(world, CopiesRules()))) == 3


@pytest.mark.slow
def test_the_commands(world: World, checkpoint: Path, nas: Path, tmp_path: Path) -> None:
    def say(*words: str) -> str:
        out = StringIO()
        call_command("vault", *words, stdout=out)
        return out.getvalue()

    assert "to be copied to nas" in say("copies")
    assert "1 copies made, 1 read" in say("copies", "--apply")
    assert "2 verified (local, nas)" in say("copies")
    assert [line.split()[0] for line in say("locate", "checkpoint_100").splitlines()] == ["local", "nas"]
    assert json.loads(say("locate", "checkpoint_100", "--json"))["locations"][0]["path"] == str(checkpoint)
    assert say("fetch", "checkpoint_100", str(tmp_path / "back")).strip() == str(tmp_path / "back")
    assert say("fetch", "checkpoint_100").strip() == str(checkpoint)
    assert say("verify", "checkpoint_100").count("right  ") == 2
    assert "each read back" in say("copy", "checkpoint_100", "--to", "nas")
    assert "were given back" in say("drop", "checkpoint_100", "--from", "nas")
    with pytest.raises(CommandError, match="has no copy at 'nas'"):
        say("drop", "checkpoint_100", "--from", "nas")
    with pytest.raises(CommandError, match="knows no checkpoint of step 7"):
        say("locate", "checkpoint_7")
    assert "bucket" in say("strongholds", "add", "bucket", "--url", "memory://x", "--option", "a=1")
    with pytest.raises(CommandError, match=r"secret: .*--secret-file"):
        say("strongholds", "add", "other", "--url", "s3://x/y", "--option", "secret=abc")
    assert "bucket" not in say("strongholds", "remove", "bucket")
    with pytest.raises(CommandError, match="path: 'x' is relative"):
        say("strongholds", "add", "b", "--path", "x")


def test_the_task_waits_for_a_stronghold(world: World) -> None:
    class View:
        pass

    view = View()
    view.world = world  # type: ignore[attr-defined]
    assert conditions.CONDITIONS["strongholds"](view)  # type: ignore[arg-type]
    StorageRegistry(world.home).register_stronghold(name="a", stronghold_type="nas", host="x")
    assert not conditions.CONDITIONS["strongholds"](view)  # type: ignore[arg-type]
