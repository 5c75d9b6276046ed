"""What a quest taught and cost, on its page and in `quest show`."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from arena.gate import outcome as outcomes
from arena.gate import report as reports
from arena.gate.outcome import read_outcome
from arena.models import Quest
from realm.world import World
from tests.support.pages import in_one_line
from tests.support.tavern_quests import HOSTILE, State, make_quest, path_of, write_report

pytestmark = pytest.mark.django_db
MEASURED: dict[str, Any] = {
    "held_out_loss": {"before": 2.31, "after": 1.74, "rows": 40},
    "levels": {
        "bin": {
            "10": {"before": None, "after": 0.5},
            "1": {"before": 0.96, "after": 0.12},
            "2": {"before": 0.9, "after": 0.92},
        }
    },
    "earlier_quests": {HOSTILE: {"before": 1.1, "after": 1.2, "rows": 1}},
}  # fmt: skip


def completed(world: World, measured: object, **report: Any) -> Quest:
    quest = make_quest(world, "mine", State.COMPLETED)
    write_report(world, quest, **report)
    reports.companion(path_of(world, quest), reports.OUTCOME).write_text(json.dumps(measured))
    return quest


def tiles(client: Client, quest: Quest) -> str:
    return in_one_line(client.get(f"/quests/{quest.pk}").content.decode())


def shown(*words: str) -> str:
    out = io.StringIO()
    call_command("quest", "show", *words, stdout=out)
    return out.getvalue()


def test_the_card_says_what_was_gained_kept_and_lost(world: World, client: Client) -> None:
    html = tiles(client, completed(world, MEASURED))
    for tile in (
        '<dt>held-out loss</dt><dd>2.31 → 1.74</dd><dd class="how">▼ better, on 40 rows never trained on</dd>',
        'tone-blood"><dt>BIN level 1</dt><dd>96% → 12%</dd><dd class="how">✗ lost</dd>',
        'tone-moss"><dt>BIN level 2</dt><dd>90% → 92%</dd><dd class="how">✓ held</dd>',
        '<dt>BIN level 10</dt><dd>-- → 50%</dd><dd class="how">not held before either</dd>',
        '<dd>1.10 → 1.20</dd><dd class="how">▲ worse, held-out loss on 1 row</dd>',
    ):
        assert tile in html, tile
    assert "<script>alert(1)" not in html


def test_quest_show_says_the_same(world: World) -> None:
    quest = completed(world, MEASURED)
    text = shown(str(quest.pk))
    for line in ("held-out loss 2.31 → 1.74 on 40 rows", "BIN 1 96% → 12%, lost", "BIN 2 90% → 92%\n"):
        assert line in text, line
    assert json.loads(shown(str(quest.pk), "--json"))["outcome"] == MEASURED


def test_where_nothing_was_held_out_it_says_why(world: World, client: Client) -> None:
    note = "No rows are held out: of quests under 200 rows none are"
    nothing = {"held_out_loss": None, "levels": {}, "earlier_quests": {}}
    quest = completed(world, nothing, held_out_note=note, rehearsed=12)
    html = tiles(client, quest)
    assert f'<dt>held-out loss</dt><dd>--</dd><dd class="how">{note}</dd>' in html
    assert "<dt>rehearsed</dt><dd>12</dd>" in html
    assert note in shown(str(quest.pk))


@pytest.mark.parametrize("broken", [[], {"levels": 3}, {"held_out_loss": {"before": "x"}}, "{"])
def test_an_outcome_that_cannot_be_read_is_none(world: World, client: Client, broken: object) -> None:
    quest = completed(world, broken)
    assert read_outcome(path_of(world, quest)) is None
    assert "What it taught and cost" not in tiles(client, quest)
    assert json.loads(shown(str(quest.pk), "--json"))["outcome"] is None


def test_twin_without_the_mark_of_a_lost_level_none_is_seen(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes.Accuracy, "lost", False)
    quest = completed(world, MEASURED)
    assert "✗ lost" not in tiles(client, quest)
