"""The calculator as the page shows it: its fields, and memory and time here and on common cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from arena.calculator import reckoning
from arena.calculator.known import known
from arena.calculator.reckoning import HERO, Answer, Place, Question
from arena.estimate import UnknownShape
from arena.profiles.resolving import resolve
from realm.strict import BadConfig
from realm.world import World
from tavern.live_settings import read_settings

TONES = {"fits": "moss", "tight": "ember", "does not fit": "blood"}
_PARTS = {
    "weights": "weights", "gradients": "gradients", "optimizer": "moments of the optimizer",
    "activations": "activations", "logits": "logits",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Line:
    place: Place
    tone: str
    fill: int
    """Percent of the bar, which ends at 100."""


@dataclass(frozen=True, kw_only=True)
class Calculator:
    question: Question
    models: list[str]
    answer: Answer | None = None
    parts: tuple[tuple[str, int, float], ...] = ()
    """Name, bytes, and percent of the largest."""
    lines: tuple[Line, ...] = ()
    refusal: str = ""


def read(world: World, given: Mapping[str, str]) -> Calculator:
    """Where nothing is asked, the recipe in force is."""
    config, _ = read_settings(world)
    models = [HERO, *known().models]
    try:
        usual = _of_recipe(resolve(world, config).recipe)
        question = reckoning.asked(usual | {name: text for name, text in given.items() if name in usual})
        answer = reckoning.reckon(world, config, question)
    except (BadConfig, UnknownShape) as error:
        return Calculator(question=Question(), models=models, refusal=str(error))
    sizes = {label: getattr(answer.memory, name) for name, label in _PARTS.items()}
    largest = max(sizes.values()) or 1
    return Calculator(
        question=question, models=models if question.model in models else [*models, question.model], answer=answer,
        parts=tuple((label, size, 100 * size / largest) for label, size in sizes.items()),
        lines=tuple(map(_line, (answer.here, *answer.cards))),
    )  # fmt: skip


def _of_recipe(recipe: object) -> dict[str, str]:
    """The question's fields as texts, by the recipe in force where it has them."""
    found = asdict(Question())
    named = {name: getattr(recipe, name, usual) for name, usual in found.items()}
    return {
        name: ("on" if value else "off") if isinstance(value, bool) else str(value) for name, value in named.items()
    }


def _line(place: Place) -> Line:
    return Line(place=place, tone=TONES[place.verdict], fill=min(100, round(100 * place.share)))
