"""`manage.py treasury` and the verbs of `manage.py ledger` that change what stays."""

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realm.world import World
from tests.support.treasury import fill, name_of, steps
from vault.models import Checkpoint
from vault.treasury import marks

pytestmark = pytest.mark.django_db


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def said(*words: str) -> Any:
    return json.loads(say(*words, "--json"))


@pytest.fixture(autouse=True)
def few(world: World) -> None:
    fill(world)
    (world.home / "config.yaml").write_text("treasury: {keep_newest: 3, floor_gb: 0}\noracle_port: 1\n")


def test_dry_run_shows_what_apply_does(world: World) -> None:
    told = say("treasury", "dry-run")
    assert "5 stay, 0 keep their weights alone, 2 go" in told
    assert "it is the best of branch 1 by train loss" in told
    shelf = said("treasury", "dry-run")
    goes = [book["name"] for book in shelf["books"] if book["fate"] == "goes"]
    assert said("treasury", "apply")["deleted"] == goes
    assert steps(world) == [7, 6, 5, 3, 2]
    assert say("treasury", "apply") == "Nothing must make room.\n"
    say("treasury", "undo")
    assert steps(world) == [7, 6, 5, 4, 3, 2, 1]


def test_delete_undo_and_empty(world: World) -> None:
    deleted = said("ledger", "delete", "1", name_of(world, 4), "--yes")
    assert deleted["names"] == ["checkpoint-1-20260101-1230", "checkpoint-4-20260101-1230"]
    assert [one["entry"] for one in said("treasury", "trash")] == [deleted["entry"]]
    assert deleted["entry"] in say("treasury", "trash")
    assert "DIO has again" in say("ledger", "undo", deleted["entry"])
    told = say("ledger", "delete", "1")
    assert "manage.py ledger undo" in told
    assert say("treasury", "empty").startswith("1 entries are gone for good")
    with pytest.raises(CommandError, match="the trash is empty"):
        say("treasury", "undo")


def test_who_says_no_deletes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: "")
    with pytest.raises(CommandError, match="nothing is deleted"):
        say("ledger", "delete", "2")
    assert 2 in steps(world)


def test_protect_keeps_it_and_unprotect_lets_it_go(world: World) -> None:
    assert "is protected" in say("ledger", "protect", "1", "--note", "mine")
    assert Checkpoint.objects.get(step=1).protected
    assert marks.read(world.heroes / "DIO")[name_of(world, 1)].note == "mine"
    with pytest.raises(CommandError, match=r"it is protected since .* by command line \(mine\)"):
        say("ledger", "delete", "1")
    assert said("ledger", "unprotect", "1")["protected"] is False
    say("ledger", "delete", "1")


def test_promote_and_unpin(world: World) -> None:
    assert said("ledger", "promote", "1")["name"] == name_of(world, 1)
    assert "it was promoted to champion" in say("treasury", "dry-run")
    assert "no longer pinned" in say("ledger", "unpin")


def test_what_cannot_be_is_a_sentence(world: World) -> None:
    for words in (("delete", "99"), ("undo", "../x"), ("protect", "checkpoint-9-20260101-1230"), ("unpin",)):
        with pytest.raises(CommandError):
            say("ledger", *words)
    (world.home / "config.yaml").write_text("treasury: {keep_nwest: 3}\n")
    with pytest.raises(CommandError, match="did you mean 'keep_newest'"):
        say("treasury", "dry-run")
    (world.home / "config.yaml").write_text("oracle_port: none\n")
    for words in (("delete", "1"), ("promote", "1")):
        with pytest.raises(CommandError, match="oracle_port"):
            say("ledger", *words)
