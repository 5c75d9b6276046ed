"""`manage.py quest` and `manage.py battle`, as the player types them."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from arena import orders
from arena.daemon.loop import only_daemon
from arena.models import Battle, Quest
from arena.protocol import STEPS_FILE, StepRecord
from realm.world import World
from tests.support.local_gate import admit_one

pytestmark = pytest.mark.django_db


def say(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_add_puts_a_copy_into_the_lane_and_list_shows_it(world: World, tmp_path: Path) -> None:
    source = tmp_path / "mine.jsonl"
    source.write_text('{"prompt": "a", "completion": "b"}\n')
    said = say("quest", "add", str(source), "--priority", "high")
    assert "goes to the gatekeepers as mine.jsonl, priority high" in said
    assert "The arena is not running" in said
    admit_one(world)
    assert "mine" in say("quest", "list")
    assert "mine" not in say("quest", "list", "--state", "failed")


def test_add_names_a_file_that_is_not_there(world: World, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.jsonl is not a file"):
        say("quest", "add", str(tmp_path / "nowhere.jsonl"))


@pytest.mark.parametrize("wish", ["pause", "resume", "stop", "skip"])
def test_a_command_reaches_the_daemon(world: World, wish: str) -> None:
    assert "will obey when it starts" in say("battle", wish)
    with only_daemon(world):
        assert "told the arena" in say("battle", wish)
    assert [request.wish for _, request in orders.MAILBOX.waiting(world)] == [wish, wish]


def test_status_before_the_first_battle(world: World) -> None:
    assert "none was fought yet" in say("battle", "status")


def test_status_shows_the_last_step(world: World) -> None:
    quest = Quest.objects.create(name="q", sha256="0" * 64, file="processing/q.jsonl", arrived_at="2026-01-01T00:00Z")
    battle = Battle.objects.create(
        battle_id="q-0", quest=quest, hero="DIO", started_at="2026-01-01T00:00Z", total_steps=40
    )
    folder = world.battles / battle.battle_id
    folder.mkdir()
    record = StepRecord(1007, 0.0, 3.4e-5, 0.002, 1.0, 0.5, 1000, 500, 2048, 7, 0)
    (folder / STEPS_FILE).write_bytes(record.pack() + b"half")
    said = say("battle", "status")
    assert "7 of 40 (hero step 1007)" in said
    assert "loss     3.4e-05\n" in said
    assert "2000 tokens/s" in said
