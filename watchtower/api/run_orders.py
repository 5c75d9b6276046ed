"""What a training run is asked for with, by `/api/training/start` and `/api/train` alike."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from pydantic import Field

from arena import jobs
from arena.gate.rules import Depth
from arena.jobs import Job
from arena.profiles.quest_recipe import UnconfirmedRate
from guild.skills.registry import read_skills
from realm import config as realm_config
from realm.quest_names import is_own_name
from realm.strict import BadConfig
from realm.world import PRIORITIES
from vault.api import paths
from vault.api.asking import Liberal, by
from watchtower.api import data_sources

_LONGEST_TEXT = 64 * 1024**2
_WHAT = ("rows", "text", "source", "file")


class Start(Liberal):
    other_names: ClassVar = {
        "data": "rows", "samples": "rows", "jsonl": "text", "data_source": "source", "dataset": "source",
        "source_id": "source", "path": "file", "model_name": "name", "modelName": "name", "quest_name": "name",
        "learningRate": "learning_rate", "lr": "learning_rate", "confirmed": "confirm",
    }  # fmt: skip

    rows: Annotated[list[dict[str, Any]] | None, Field(max_length=1_000_000)] = None
    """Objects in any form that quests have, such as `{"prompt": …, "completion": …}`."""
    text: Annotated[str | None, Field(max_length=_LONGEST_TEXT)] = None
    """The same as JSONL."""
    source: Annotated[str | None, Field(max_length=4200)] = None
    """An id of `/api/training/data-sources`. With none of these: problems of the first skill are forged."""
    file: Annotated[str | None, Field(max_length=4096)] = None
    """A file of this world, by its path below it."""
    name: Annotated[str, Field(max_length=200)] = ""
    priority: str = "normal"
    preset: Annotated[str | None, Field(max_length=80)] = None
    epochs: int | None = None
    learning_rate: float | None = None
    recipe: dict[str, Any] = {}
    """Other keys of the recipe."""
    count: Annotated[int | None, Field(ge=1)] = None
    """Of a skill: rows."""
    level: Annotated[int | None, Field(ge=1)] = None
    """Of a skill; None: the one that the hero works on."""
    hold: bool = False
    force: bool = False
    """Also a duplicate, or with too many bad rows."""
    depth: Depth | None = None
    confirm: bool = False
    """A learning rate that is far from what suits the hero is meant."""

    @property
    def keys(self) -> dict[str, Any]:
        """Of the quest's own recipe."""
        named = {"preset": self.preset, "epochs": self.epochs, "learning_rate": self.learning_rate}
        return {key: value for key, value in named.items() if value is not None} | self.recipe


def start(request: HttpRequest, asked: Start) -> Job:
    """Raises ValueError and what else is wrong with it, in words."""
    if asked.priority not in PRIORITIES:
        raise ValueError(f"priority: {asked.priority[:40]!r} is not allowed; allowed are {', '.join(PRIORITIES)}")
    if asked.name and not is_own_name(asked.name.removesuffix(".jsonl")):
        raise ValueError(f"name: {asked.name!r} is as the guild names quests of its own; choose another")
    given = [key for key in _WHAT if getattr(asked, key) is not None]
    if len(given) > 1:
        raise ValueError(f"name just one of {', '.join(_WHAT)}: {' and '.join(given)} are given")
    options: dict[str, Any] = {
        "name": asked.name, "priority": asked.priority, "recipe": asked.keys, "confirmed": asked.confirm,
        "hold": asked.hold, "force": asked.force, "depth": asked.depth, "by": by(request),
    }  # fmt: skip
    world, config = settings.WORLD, realm_config.load(settings.WORLD)
    try:
        if asked.rows is not None or asked.text is not None:
            return jobs.start(world, config, rows=asked.rows if asked.rows is not None else asked.text, **options)
        if asked.file is not None:
            return jobs.start(world, config, file=_plain_file(asked.file), **options)
        source = asked.source or _first_skill()
        return data_sources.start(
            world, config, source, count=asked.count, level=asked.level, options=options,
        )  # fmt: skip
    except UnconfirmedRate as error:
        raise UnconfirmedRate(f"{error}; with confirm: true it is taken all the same") from error
    except BadConfig as error:
        raise ValueError(str(error)) from error  # it is the recipe of this request that cannot be


def _plain_file(text: str) -> Any:
    path = paths.in_world(settings.WORLD, text)
    if not path.is_file() or path.is_symlink():
        raise ValueError(f"file: {text[:200]!r} is no file of this world")
    return path


def _first_skill() -> str:
    """Of the realm's skills, by name. Raises ValueError where there is none."""
    skills = read_skills()
    if not skills:
        raise ValueError(f"nothing to train on is named: give one of {', '.join(_WHAT)}")
    return f"{data_sources.SKILL}{skills[0].name}"
