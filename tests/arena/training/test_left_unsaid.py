"""What a killed or interrupted run did not say is said by the next; faults name what is to blame."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arena.hero.model import Hero
from arena.protocol import EvaluationSet, Event, EventKind, Order
from arena.training.control import Control, Request
from arena.training.data import PackedQuest, load_quest
from arena.training.packing_certificate import Certificate, certify
from arena.training.reporting import announcements
from arena.training.service import run_order
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero

pytestmark = pytest.mark.slow


class Killed(BaseException):
    pass


def run(order: Order, control: Control | None = None) -> list[Event]:
    said: list[Event] = []
    run_order(order, control or Control(), None, said.append)
    return said


def kinds(said: list[Event]) -> list[EventKind]:
    return [event.kind for event in said]


def test_a_checkpoint_saved_just_before_a_kill_is_announced_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = tiny_hero.make_order(tmp_path, rows=200)

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(announcements, "saved", killed)
        with pytest.raises(Killed):
            run(order)
    said = run(order)
    announced = {event.data["name"] for event in said if event.kind == EventKind.CHECKPOINT_SAVED}
    assert announced == {folder.name for folder in checkpoint_folders(Path(order.hero_folder))}


def test_a_pause_at_the_last_step_leaves_no_checkpoint_unanswered(tmp_path: Path) -> None:
    problems = tmp_path / "problems.jsonl"
    problems.write_text('{"prompt": "1+1", "answer": "2"}\n')
    evaluation = EvaluationSet(skill="bin", level=1, path=str(problems), max_new_tokens=2)
    order = tiny_hero.make_order(tmp_path, rows=3, evaluation_sets=(evaluation,))
    control = Control()
    control.request(Request.PAUSE)
    assert kinds(run(order, control))[-2:] == [EventKind.ANSWERED, EventKind.BATTLE_COMPLETED]


def _truncate(base: Path) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def _reshape(base: Path) -> None:
    config = json.loads((base / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps(config | {"intermediate_size": 128}))


@pytest.mark.parametrize("damage", [_truncate, _reshape])
def test_a_base_model_that_does_not_load_is_not_the_quests_fault(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    order = tiny_hero.make_order(tmp_path)
    damage(tmp_path / "base")
    last = run(order)[-1]
    assert (last.kind, last.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")


def test_an_adapter_of_another_base_model_is_not_the_quests_fault(tmp_path: Path) -> None:
    order = tiny_hero.make_order(tmp_path, recipe=replace(tiny_hero.RECIPE, mode="lora"))
    run(order)
    wider = tiny_hero.make_base(tmp_path / "wider", hidden_size=64)
    (tmp_path / "second").mkdir()
    second = replace(order, battle="second", battle_folder=str(tmp_path / "second"), base_model=str(wider))
    last = run(second)[-1]
    assert (last.kind, last.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")


def test_a_loss_that_is_no_number_breaks_the_certificate_wherever_it_stands(
    hero: Hero, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quest = tiny_hero.write_quest(tmp_path / "quest.jsonl", 20)
    loaded = load_quest(quest, hero.mask, tiny_hero.RECIPE)
    packed = PackedQuest(loaded.examples, tiny_hero.RECIPE, quest_sha256="0" * 64)
    losses = iter([1.0] * 3 + [float("nan")] + [1.0] * 100)
    monkeypatch.setattr("arena.training.packing_certificate._loss_alone", lambda *_: next(losses))
    monkeypatch.setattr(
        "arena.training.packing_certificate._example_losses", lambda hero, batch: [1.0] * len(batch.lengths)
    )
    proof: Certificate = certify(hero, packed)
    assert not proof.holds


@pytest.mark.parametrize(
    "text", [None, "", "{broken\n", '{"answer": "2"}\n'], ids=["gone", "empty", "broken", "no-prompt"]
)
def test_problems_that_cannot_be_read_are_not_the_quests_fault(tmp_path: Path, text: str | None) -> None:
    problems = tmp_path / "problems.jsonl"
    if text is not None:
        problems.write_text(text)
    evaluation = EvaluationSet(skill="bin", level=1, path=str(problems), max_new_tokens=1)
    last = run(tiny_hero.make_order(tmp_path, rows=10, evaluation_sets=(evaluation,)))[-1]
    assert (last.kind, last.data["blame"]) == (EventKind.BATTLE_FAILED, "hero")
    assert f"{problems} cannot be read" in last.message
