"""The loss over rows that are never trained on: of which rows, when, and what it may cost."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from arena.hero import model as heroes
from arena.hero.model import Hero
from arena.protocol import Event, EventKind, Order, ValidationSet
from arena.training import scoring
from arena.training.batch import join
from arena.training.loss import plain_losses
from arena.training.scoring import LoadedSet, Progress, chosen_first, chosen_last, known_of, load_sets, pays_between
from realm.checkpoints import sidecar
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.sidecar import MeasuredOver, Sidecar
from tests.support import tiny_hero
from tests.support.checkpoints import a_sidecar
from tests.support.runs import newest, run


def loaded(name: str, tokens: int, *, always: bool = False, rows: int = 4) -> LoadedSet:
    class Sized(LoadedSet):
        @property
        def tokens(self) -> int:
            return tokens

    return Sized(name, MeasuredOver(name=name, rows=rows, sha256=name), [], always)


def progress(**tokens: int) -> Progress:
    return Progress(**({"trained": 0, "planned": 10_000, "before": 0, "spent": 0} | tokens))


OWN, LEVEL, FILE = loaded("quest/own", 700, always=True), loaded("bin/1", 100), loaded("file/mine", 900)


def test_between_checkpoints_all_sets_are_scored_where_the_trained_tokens_pay_for_it() -> None:
    assert not pays_between([LEVEL], progress(trained=799))
    assert pays_between([LEVEL], progress(trained=800))
    assert pays_between([LEVEL], progress(trained=600, before=200)), "earlier battles' tokens count"
    assert not pays_between([LEVEL], progress(trained=5000, spent=700)), "what was spent counts"
    assert not pays_between([LEVEL], progress(trained=1000, planned=1000)), "the end has to be paid for too"
    assert not pays_between([], progress(trained=10_000))


def test_the_quests_own_rows_are_scored_first_and_last_whatever_they_cost() -> None:
    sets = [OWN, LEVEL, FILE]
    assert chosen_first(sets, progress(planned=1000), partly=True) == [OWN]
    assert chosen_first(sets, progress(planned=14_000), partly=True) == [OWN, LEVEL]
    assert chosen_first(sets, progress(planned=30_000), partly=True) == sets
    assert chosen_last(sets, progress(spent=400), partly=True) == [OWN, LEVEL]
    assert chosen_last([LEVEL, FILE], progress(planned=1000), partly=True) == [LEVEL], "no row is held out of it"
    forged = progress(planned=1000)
    assert chosen_last([LEVEL, FILE], forged, partly=False) == [], "a forged quest's are scored whole or not at all"
    assert chosen_last([LEVEL, FILE], progress(planned=1000, before=8000), partly=False) == [LEVEL, FILE]


def read_share(battles: int) -> float:
    """Tokens read for scores against tokens trained, over many short battles of a forged kind, in work."""
    before = read = 0
    for _ in range(battles):
        now = progress(planned=1000, trained=1000, before=before)
        chosen = chosen_last([LEVEL, FILE], now, partly=False)
        read += sum(one.tokens for one in chosen)
        before = 0 if chosen else before + 1000
    return read / (battles * 1000 * scoring.TRAINED_TO_READ)


def test_many_short_battles_stay_within_the_share() -> None:
    assert 0.8 * scoring.SHARE < read_share(100) <= scoring.SHARE


def test_twin_without_the_bound_they_take_many_times_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "pays_for", lambda *_: True)
    assert read_share(100) > 5 * scoring.SHARE


class Told:
    """The log of a battle of one step and 1,000 tokens, scored at its end."""

    def __init__(self, before: int) -> None:
        begun = Event(
            seq=1, time=0.0, kind=EventKind.BATTLE_STARTED, step=0, message="", data={"unscored_tokens": before}
        )
        self.events = [begun]

    def score(self, chosen: list[LoadedSet], *, whole: bool, noted: bool) -> None:
        data = {"quest_step": 1, "whole": whole, "tokens": sum(one.tokens for one in chosen) if noted else 0}
        self.events.append(Event(seq=2, time=0.0, kind=EventKind.VALIDATED, step=1, message="", data=data))

    def standing(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def own_read_share(battles: int, *, noted: bool = True) -> float:
    """The same over many short quests of the player's, each scored on what is paid for."""
    before = read = 0
    cursor = Cursor(quest_sha256="", epoch=1, position=0, quest_step=1, finished=True)
    for _ in range(battles):
        log: Any = Told(before)
        now = scoring.progress_of(log, cursor, tokens=1000, steps_per_epoch=1, total_steps=1)
        chosen = chosen_last([LEVEL, FILE], now, partly=True)
        log.score(chosen, whole=len(chosen) == 2, noted=noted)
        read += sum(one.tokens for one in chosen)
        before = scoring.unscored_tokens(log, cursor, tokens=1000, steps_per_epoch=1)
    return read / (battles * 1000 * scoring.TRAINED_TO_READ)


def test_many_short_quests_of_the_players_stay_within_the_share() -> None:
    assert 0.8 * scoring.SHARE < own_read_share(100) <= scoring.SHARE


def test_twin_what_is_spent_and_not_noted_is_spent_again() -> None:
    assert own_read_share(100, noted=False) > 1.5 * scoring.SHARE


def test_what_a_checkpoint_says_is_taken_only_of_the_very_same_rows() -> None:
    saved = replace(
        a_sidecar(5),
        val_losses={"bin/1": 1.5, "file/mine": 2.0},
        val_sets={"bin/1": LEVEL.over, "file/mine": replace(FILE.over, sha256="other rows")},
    )
    assert known_of(saved, [OWN, LEVEL, FILE]) == {"bin/1": 1.5}
    assert known_of(None, [LEVEL]) == {}


# ----------------------------------------------------------------------------------------------------------------------
# In a battle.


def own_order(folder: Path, **overrides: Any) -> Order:
    folder.mkdir(exist_ok=True)
    (own,) = tiny_hero.validation(folder, 20, seed=3, name="quest/own")
    sets = (
        replace(own, always=True),
        *tiny_hero.validation(folder, 4),
        *tiny_hero.validation(folder, 3, name="file/x"),
    )
    return tiny_hero.make_order(folder, rows=80, validation_sets=sets, **overrides)


def validated(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == EventKind.VALIDATED]


@pytest.mark.slow
def test_a_battle_says_what_each_loss_was_measured_over(tmp_path: Path) -> None:
    order = own_order(tmp_path / "one", recipe=replace(tiny_hero.RECIPE, save_every=1000))
    first, last = validated(run(order))
    entry = sidecar.verify(newest(order))
    assert (first.step, last.step) == (0, entry.step)
    assert list(first.data["losses"]) == ["quest/own"], "the other sets cost too much"
    assert first.data["val_loss"] is None
    assert last.data["losses"]["quest/own"] < first.data["losses"]["quest/own"], "it learns"
    assert last.data["sets"]["quest/own"] == first.data["sets"]["quest/own"]
    assert last.data["sets"]["quest/own"]["rows"] == 20
    assert entry.val_losses == last.data["losses"]
    assert entry.val_loss == last.data["val_loss"]
    assert entry.unscored_tokens == 0, "the quest's own rows took more than this battle pays for"


@pytest.mark.slow
def test_a_small_quest_begins_with_what_is_known_of_earlier_ones(tmp_path: Path) -> None:
    """No row of it is held out; what it costs the earlier ones is told all the same."""
    first = own_order(tmp_path / "one", recipe=replace(tiny_hero.RECIPE, validate_every=1000))
    run(first)
    known = sidecar.verify(newest(first)).val_losses
    folder = tmp_path / "one" / "second"
    folder.mkdir()
    sets = tuple(replace(one, always=False) for one in first.validation_sets)
    second = replace(first, battle="second", battle_folder=str(folder), validation_sets=sets)
    assert validated(run(second))[0].data["losses"] == known
    forged = replace(second, battle="third", battle_folder=str(folder.with_name("third")), quest="bin-level-1-0001")
    Path(forged.battle_folder).mkdir()
    assert 0 not in [event.data["quest_step"] for event in validated(run(forged))]


@pytest.mark.slow
def test_the_loss_of_all_that_was_taught_leaves_the_players_files_out(tmp_path: Path) -> None:
    order = own_order(tmp_path / "one", recipe=replace(tiny_hero.RECIPE, validate_every=1000))
    run(order)
    entry = sidecar.verify(newest(order))
    losses, sets = entry.val_losses, entry.val_sets
    assert set(losses) == {"quest/own", "sum/1", "file/x"}
    assert entry.val_loss == pytest.approx((losses["quest/own"] * 20 + losses["sum/1"] * 4) / 24)
    assert entry.val_set is not None
    assert (entry.val_set.name, entry.val_set.rows) == ("taught", 24)
    assert entry.val_set.sha256 not in {measured.sha256 for measured in sets.values()}
    assert entry.unscored_tokens == 0


def test_each_loss_is_that_of_its_rows_alone(tmp_path: Path, hero_on_order: tuple[Order, Hero]) -> None:
    order, hero = hero_on_order
    sets = load_sets(order, hero)
    found = scoring.score(hero, order.recipe, sets, sets)
    for one in sets:
        losses = [plain_losses(hero, join([example])) for example in one.examples]
        mean = sum(float(each.detach().sum()) for each in losses) / sum(len(each) for each in losses)
        assert found.losses[one.name] == pytest.approx(mean, abs=1e-5)


def test_a_loss_that_is_not_finite_is_left_out(
    hero_on_order: tuple[Order, Hero], monkeypatch: pytest.MonkeyPatch
) -> None:
    order, hero = hero_on_order
    sets = load_sets(order, hero)
    losses = scoring.token_losses
    monkeypatch.setattr(scoring, "token_losses", lambda hero, batch: losses(hero, batch) * torch.inf)
    found = scoring.score(hero, order.recipe, sets, sets)
    assert (found.losses, found.sets, found.val_loss, found.whole) == ({}, {}, None, False)


def test_a_set_that_cannot_be_read_stops_nothing(tmp_path: Path, hero_on_order: tuple[Order, Hero]) -> None:
    order, hero = hero_on_order
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{broken\n" + (tmp_path / "quest.jsonl").read_text().splitlines()[0] + "\n")
    gone = ValidationSet(name="file/gone", path=str(tmp_path / "gone.jsonl"))
    sets = (gone, ValidationSet(name="file/bad", path=str(bad)))
    found = load_sets(replace(order, validation_sets=sets), hero)
    assert [(one.name, one.over.rows) for one in found] == [("file/bad", 1)]


def test_an_old_sidecar_says_of_no_set() -> None:
    value = asdict(a_sidecar(3))
    for key in ("val_set", "val_losses", "val_sets", "unscored_tokens", "branch"):
        del value[key]
    found: Sidecar = sidecar.parse(sidecar.seal(value), source="old")
    assert (found.val_set, found.val_losses, found.val_sets) == (None, {}, {})


@pytest.fixture
def hero_on_order(tmp_path: Path) -> tuple[Order, Hero]:
    order = own_order(tmp_path)
    return order, heroes.load(order.base_model, order.recipe, checkpoint=None, device=torch.device("cpu"))
