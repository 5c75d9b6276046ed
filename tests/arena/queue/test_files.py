import json
from pathlib import Path

import pytest

from arena.gate import report as reports
from arena.models import ChronicleEntry, Quest
from arena.queue import files as queue
from realm.world import World
from tests.support.local_gate import admit_one

pytestmark = pytest.mark.django_db

BESIDE = ["a.jsonl", "a.jsonl.hashes.npy", "a.jsonl.report.json", "a.jsonl.rows.npy"]
GOOD = '{{"prompt": "{0}", "completion": "{0}"}}\n'


def drop(world: World, name: str, text: str, *, priority: str = "normal") -> Quest | None:
    path = world.lane(priority) / name
    path.write_text(text)
    return admit_one(world)


def test_high_before_normal_before_low_and_first_in_first_out(world: World) -> None:
    for name, priority in (("a", "low"), ("b", "normal"), ("c", "high"), ("d", "normal"), ("e", "high")):
        drop(world, f"{name}.jsonl", GOOD.format(name), priority=priority)
    assert [quest.name for quest in queue.waiting()] == ["c", "e", "b", "d", "a"]


def test_an_admitted_quest_has_a_report(world: World) -> None:
    rows = "".join(GOOD.format(number) for number in range(20))
    quest = drop(world, "q.jsonl", rows + "{broken\n")
    assert quest is not None
    assert (quest.rows, quest.taken, quest.data_format) == (21, 20, "prompt-completion")
    report = json.loads((world.lane("normal") / "q.jsonl.report.json").read_text())
    assert report["taken"] == 20
    assert report["refused"][0]["line"] == 21


def test_a_report_names_the_first_bad_rows_and_counts_them_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_NAMED", 2)
    rows = "".join(GOOD.format(number) for number in range(60))
    quest = drop(world, "q.jsonl", rows + f'{{"{"k" * 5000}": 1}}\n' * 5)
    assert quest is not None
    report = json.loads((world.lane("normal") / "q.jsonl.report.json").read_text())
    assert (report["refused_count"], [row["line"] for row in report["refused"]]) == (5, [61, 62])
    assert len(report["refused"][0]["reason"]) < 400


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "the file is empty"),
        ("\n \n", 1, "the file is empty"),
        (GOOD.format("a") + "{broken\n", 2, "not JSON"),
        (GOOD.format("a") * 3 + '{"x": 1}\n', 4, "no known format"),
    ],
)
def test_a_bad_file_goes_to_failed_with_line_and_reason(world: World, text: str, line: int, reason: str) -> None:
    assert drop(world, "bad.jsonl", text) is None
    assert not (world.lane("normal") / "bad.jsonl").exists()
    assert (world.failed / "bad.jsonl").read_text() == text
    said = json.loads((world.failed / "bad.jsonl.reason.json").read_text())
    assert said["line"] == line
    assert reason in said["reason"]
    assert ChronicleEntry.objects.get().kind == "quest_refused"
    assert queue.waiting().count() == 0


def test_the_same_content_is_taken_once_under_any_name(world: World) -> None:
    first = drop(world, "a.jsonl", GOOD.format("a"))
    assert drop(world, "b.jsonl", GOOD.format("a")) is None
    reason = json.loads((world.failed / "b.jsonl.reason.json").read_text())["reason"]
    assert reason == "the same content as a, which is queued"
    assert first is not None
    queue.begin(world, first)
    queue.complete(world, first)
    assert drop(world, "c.jsonl", GOOD.format("a")) is None
    assert queue.waiting().count() == 0


def test_a_failed_quest_may_be_dropped_again(world: World) -> None:
    first = drop(world, "a.jsonl", GOOD.format("a"))
    assert first is not None
    queue.begin(world, first)
    queue.fail(world, first, "the trainer died")
    assert drop(world, "a.jsonl", GOOD.format("a")) is not None


def test_a_quest_moves_with_what_lies_beside_it(world: World) -> None:
    quest = drop(world, "a.jsonl", GOOD.format("a"))
    assert quest is not None
    queue.begin(world, quest)
    assert sorted(path.name for path in world.processing.iterdir()) == BESIDE
    queue.complete(world, quest)
    queue.complete(world, quest)
    assert sorted(path.name for path in world.recently_completed.iterdir()) == BESIDE
    assert list(world.processing.iterdir()) == []
    quest.refresh_from_db()
    assert (quest.state, quest.file) == ("completed", "recently_completed/a.jsonl")


def test_no_move_overwrites_a_file_of_the_same_name(world: World) -> None:
    (world.recently_completed / "a.jsonl").write_text("older")
    quest = drop(world, "a.jsonl", GOOD.format("a"))
    assert quest is not None
    queue.begin(world, quest)
    queue.complete(world, quest)
    assert (world.recently_completed / "a.jsonl").read_text() == "older"
    assert (world.recently_completed / "a-2.jsonl").read_text() == GOOD.format("a")


def test_files_put_into_a_lane_by_hand_are_found_once(world: World) -> None:
    path = world.lane("high") / "a.jsonl"
    path.write_text(GOOD.format("a"))
    assert queue.Lanes(world).unknown_files() == [("high", path)]
    admit_one(world)
    assert queue.Lanes(world).unknown_files() == []


def test_add_copies_and_leaves_the_players_file(world: World, tmp_path: Path) -> None:
    source = tmp_path / "mine.json"
    source.write_text(GOOD.format("a"))
    added = queue.add_file(world, source, priority="high")
    assert added == world.lane("high") / "mine.json.jsonl"
    assert source.exists()
    assert added.read_text() == source.read_text()
