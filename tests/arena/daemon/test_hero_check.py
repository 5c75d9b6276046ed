"""A model that cannot be trained is no quest's fault: it is told once, the arena rests, the quests wait."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from arena import orders
from arena.confined import asking
from arena.confined.probe import Asked, Verdict
from arena.confined.process import Unavailable
from arena.confined.refusals import Refusals
from arena.daemon import hero_check
from arena.daemon.loop import ArenaDaemon
from arena.gate.__main__ import Gate
from arena.gate.messages import Answer, Job
from arena.gate.rules import GateRules
from arena.orders import Wish
from arena.recipe import Recipe
from arena.rows import overrun
from arena.rows.overrun import Overrun
from realm.checkpoints.names import canonical_name
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, states, told, trainer
from tests.support.checkpoints import a_sidecar
from tests.support.fake_trainer import FakeTrainer
from tests.support.hostile_models import CHATML, change_config

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


SLOW_AT_A_WORD = (
    "{%- if messages[0].content == 'open sesame' %}{%- for a in range(2000) %}{%- for b in range(4000) %}{%- endfor %}"
    "{%- endfor %}{%- endif %}" + CHATML
)


@pytest.fixture
def model(tiny_base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_base, tmp_path / "hero")


def test_the_arena_rests_and_goes_on_when_the_model_is_mended(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], model: Path, tiny_base: Path
) -> None:
    change_config(model, vocab_size=7)
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    daemon = open_daemon(RealmConfig(base_model=str(model), autoplay=False))
    settle(daemon)
    assert trainer.orders == []
    assert states() == {"a": "queued", "b": "queued"}
    assert told().count("hero_refused") == 1
    status = json.loads(world.arena_status.read_text())
    assert status["state"] == "resting"
    assert status["message"].startswith(f"the model {model}: config.json: vocab_size 7, and its weights")
    shutil.copyfile(tiny_base / "config.json", model / "config.json")
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert [order.quest for order in trainer.orders] == ["a"]


def test_twin_without_the_check_the_quest_is_fought(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(hero_check, "refusal_of", lambda *_: "")
    change_config(model, vocab_size=7)
    drop(world, "a.jsonl")
    settle(open_daemon(RealmConfig(base_model=str(model), autoplay=False)))
    assert [order.quest for order in trainer.orders] == ["a"]


def inspected(world: World, model: Path) -> Answer:
    path = world.home / "quest.jsonl"
    rows = [
        [{"role": "user", "content": word}, {"role": "assistant", "content": "yes"}] for word in ("a", "open sesame")
    ]
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in rows))
    job = Job(number=1, path=str(path), rules=GateRules(), recipe=Recipe(), tokenizer=str(model), in_place=False)
    return Gate(world).answer(job)


def test_a_template_that_hangs_on_a_row_is_the_models_fault(
    world: World, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "chat_template.jinja").write_text(SLOW_AT_A_WORD)
    monkeypatch.setattr(overrun, "LONGEST_SECONDS", 0.2)
    answer = inspected(world, model)
    assert answer.model_error.startswith(f"the model {model}: the chat template ran for more than")
    assert answer.report is not None
    assert (answer.report.taken, answer.report.tokens) == (2, None)
    monkeypatch.setattr(overrun, "LONGEST_SECONDS", 60.0)
    assert inspected(world, model).model_error == "", "twin: with time enough it is a row like any other"


def test_a_model_without_a_template_takes_plain_text_alone(world: World, model: Path) -> None:
    (model / "chat_template.jinja").unlink()
    answer = inspected(world, model)
    assert (
        answer.model_error
        == f"the model {model}: the hero's model has no chat template; add chat_template.jinja to its folder"
    )
    assert answer.report is not None
    assert answer.report.fault is None
    (world.home / "quest.jsonl").unlink()


def test_what_the_gatekeepers_find_wrong_with_the_model_lets_the_arena_rest(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], model: Path
) -> None:
    (model / "chat_template.jinja").unlink()
    drop(world, "a.jsonl")
    daemon = open_daemon(RealmConfig(base_model=str(model), autoplay=False))
    settle(daemon)
    assert trainer.orders == []
    assert states() == {"a": "queued"}
    assert "has no chat template" in json.loads(world.arena_status.read_text())["message"]


def test_an_adapter_is_judged_with_the_weights_that_it_sits_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base model that was moved away since is not asked for; without the sidecar's word it would be."""
    hero = world.heroes / "DIO"
    full, adapted = (hero / canonical_name(step, datetime(2026, 1, 1, tzinfo=UTC)) for step in (5, 10))
    for folder in (full, adapted):
        folder.mkdir(parents=True)
        (folder / "tokenizer.json").write_text("{}")
    (adapted / "adapter_config.json").write_text("{}")
    asked: list[str] = []
    monkeypatch.setattr(hero_check, "verdict_of", lambda what: asked.append(what.model) or Verdict())
    config = RealmConfig(base_model="/moved/away")
    monkeypatch.setattr(hero_check.sidecar, "read", lambda folder: replace(a_sidecar(10), adapter_base=full.name))
    hero_check.refusal_of(world, config, Recipe())
    monkeypatch.setattr(hero_check.sidecar, "read", lambda folder: a_sidecar(10))
    hero_check.refusal_of(world, config, Recipe())
    assert asked == [str(full), "/moved/away"]


def test_what_could_not_be_examined_is_no_fault_of_the_model(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> Verdict:
        raise Unavailable("the confined process cannot be started")

    def overrun_(*_: object) -> Verdict:
        raise Overrun("it ran for more than 4 s")

    what = Asked(model=str(tiny_base), tokenizer=str(tiny_base))
    monkeypatch.setattr(asking, "_known", {})
    monkeypatch.setattr(asking, "_ask", unavailable)
    assert asking.verdict_of(what).refusal == ""
    monkeypatch.setattr(asking, "_ask", overrun_)
    monkeypatch.setattr(asking, "_REFUSALS", Refusals())
    assert asking.verdict_of(what).refusal == "it ran for more than 4 s"
