"""Files that a player may well have: odd names, odd keys, moved by hand while they wait."""

import os
from pathlib import Path

import pytest
from django.utils import timezone

from arena.daemon import recovery
from arena.models import Quest
from arena.queue import files as queue
from arena.queue import inbox
from arena.rows import parse
from realm.world import World
from tests.support.local_gate import admit, admit_one

pytestmark = pytest.mark.django_db

GOOD = '{{"prompt": "{0}", "completion": "{0}"}}\n'


def names() -> list[str]:
    return list(Quest.objects.values_list("name", flat=True))


def put(folder: Path, name: bytes, text: str) -> Path:
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"x" * 249 + b".jsonl", "x" * 200),
        ("ü".encode() * 124 + b".jsonl", "ü" * 100),
        (b"\xff\xfe.jsonl", "\\xff\\xfe"),
        (b"two\nlines.jsonl", "two\nlines"),
        (b"-rf.jsonl", "-rf"),
    ],
)
def test_any_name_waits_and_is_fought(world: World, name: bytes, expected: str) -> None:
    os.utime(put(world.inbox, name, GOOD.format("inbox")), (1, 1))
    put(world.lane("high"), name, GOOD.format("lane"))
    admit(world)
    assert names() == [expected, expected]
    for quest in Quest.objects.all():
        queue.begin(world, quest)
        queue.fail(world, quest, "over")
    assert len(list(world.failed.glob("*.reason.json"))) == 2


def test_a_hidden_file_that_is_added_does_not_stay_hidden(world: World, tmp_path: Path) -> None:
    source = put(tmp_path, b".secret.jsonl", GOOD.format("a"))
    assert queue.Lanes(world).unknown_files() == []
    added = queue.add_file(world, source, priority="low")
    assert queue.Lanes(world).unknown_files() == [("low", added)]


@pytest.mark.parametrize("target", ["high/a.jsonl", "normal/b.jsonl"])
def test_a_waiting_file_that_is_moved_by_hand_is_still_fought(world: World, target: str) -> None:
    path = put(world.lane("normal"), b"a.jsonl", GOOD.format("a"))
    admit(world)
    path.rename(world.queue / target)
    admit(world)
    assert target in queue.waiting().values_list("file", flat=True)


def test_a_file_still_written_in_a_lane_is_not_taken(world: World) -> None:
    path = world.lane("high") / "a.jsonl"
    with open(path, "w") as file:
        file.write(GOOD.format("a"))
        file.flush()
        assert queue.Lanes(world).unknown_files() == []
    assert queue.Lanes(world).unknown_files() == [("high", path)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_does_not_stop_the_others(world: World) -> None:
    path = put(world.inbox, b"a.jsonl", GOOD.format("a"))
    path.chmod(0)
    os.utime(path, (1, 1))
    assert inbox.look(world.inbox).whole == [path]


@pytest.mark.parametrize(
    "keys",
    ['"skill": "bin", "level": -1', '"skill": "bin", "level": 99999999999999999999', '"skill": "\\ud800", "level": 1'],
)
def test_skill_and_level_that_no_index_holds_are_not_the_guilds(world: World, keys: str) -> None:
    put(world.lane("normal"), b"a.jsonl", f'{{"prompt": "a", "completion": "b", {keys}}}\n')
    quest = admit_one(world)
    assert quest is not None
    assert (quest.skill, quest.level) == ("", None)


def test_a_key_that_stands_twice_among_very_many_is_found_at_once(tmp_path: Path) -> None:
    keys = ",".join(f'"k{number}":1' for number in range(500_000))
    path = put(tmp_path, b"a.jsonl", f'{{{keys},"k499999":1}}\n')
    (refusal,) = parse.read_rows(path)
    assert isinstance(refusal, parse.Refusal)
    assert refusal.reason == "the key 'k499999' stands twice in one object; keep one"


def test_a_name_that_got_a_number_just_before_a_kill_is_no_second_quest(world: World) -> None:
    """The file was moved, the row was not yet written."""
    for text in ("one", "two"):
        put(world.lane("normal"), b"a.jsonl", GOOD.format(text))
        quest = admit_one(world)
        assert quest is not None
        queue.begin(world, quest)
        if text == "one":
            queue.complete(world, quest)
    (world.processing / "a.jsonl").rename(world.recently_completed / "a-2.jsonl")
    recovery.bring_into_line(world)
    assert names() == ["a", "a"]
    completed = Quest.objects.filter(state=Quest.State.COMPLETED)
    assert sorted(completed.values_list("file", flat=True)) == [
        "recently_completed/a-2.jsonl",
        "recently_completed/a.jsonl",
    ]


def test_a_refused_file_does_not_take_the_row_of_an_older_one(world: World) -> None:
    Quest.objects.create(
        name="a", sha256="0" * 64, state="completed", file="recently_completed/a.jsonl", arrived_at=timezone.now()
    )
    put(world.failed, b"a.jsonl", "{broken\n")
    recovery.bring_into_line(world)
    assert sorted(Quest.objects.values_list("state", flat=True)) == ["completed", "failed"]
