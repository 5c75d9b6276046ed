"""The skills of `configs/skills/*.yaml`, the one place where they are defined. A file's name is its skill's name."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import yaml

from guild.errors import UnknownSkill
from guild.trainers.contract import Trainer
from realm import strict
from realm.world import CHECKOUT

SKILLS_FOLDER = CHECKOUT / "configs" / "skills"

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9]{0,39}")
_ICON = re.compile(r"[a-z][a-z0-9-]*")
_COLOR = re.compile(r"#[0-9a-f]{6}")
RANGES: dict[str, tuple[float, float]] = {
    "priority": (0, 1000), "quest_rows": (1, 100_000), "rehearsal_share": (0, 0.9), "lost_weight": (1, 100),
    "preview_share": (0, 0.5), "evaluation_problems": (1, 10_000), "validation_problems": (1, 10_000),
}  # fmt: skip
"""The least and the most of each number of a skill."""


@dataclass(frozen=True, kw_only=True)
class Skill:
    name: str
    """What files, rows and commands call it."""
    title: str
    description: str
    icon: str
    """A symbol of static/vendor/game-icons/sprite.svg, without its `gi-`."""
    color: str
    trainer: str
    """Import path of the class that makes and judges its problems."""
    levels: tuple[dict[str, Any], ...]
    """Parameters of level 1, 2, …; what they may be is the trainer's business."""
    api_url: str | None = None
    priority: int = 1
    """A skill of priority 2 gets twice as many forged quests as one of priority 1; 0 gets none."""
    quest_rows: int = 3400
    rehearsal_share: float = 0.2
    """Of a quest's rows, how many are of lower levels."""
    lost_weight: int = 3
    """A lost level is rehearsed with this many times the rows of a level that is still mastered."""
    preview_share: float = 0.0
    """Of a quest's rows, how many are of the next level."""
    requires: dict[str, int] = field(default_factory=dict)
    """Levels that the hero must have reached in other skills before quests of this one are forged."""
    evaluation_problems: int = 5
    """Held out for each level; an evaluation set once written is not changed by this."""
    validation_problems: int = 32

    def __post_init__(self) -> None:
        for key, pattern in (("name", _NAME), ("icon", _ICON), ("color", _COLOR)):
            if not pattern.fullmatch(getattr(self, key)):
                raise ValueError(f"{key}: {getattr(self, key)!r} is not allowed; allowed is {pattern.pattern}")
        if not self.levels:
            raise ValueError("levels: at least one level is needed")
        for key, (lowest, highest) in RANGES.items():
            check_range(key, getattr(self, key), lowest, highest)

    @property
    def max_level(self) -> int:
        return len(self.levels)


def check_range(key: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ValueError(f"{key}: {value} is not allowed; allowed are {lowest} to {highest}")


@dataclass(frozen=True)
class _Entry:
    skill: Skill
    trainer: Trainer


def list_skills(folder: Path | None = None) -> tuple[Skill, ...]:
    """Every usable skill by name; a broken file is left out and told once in the log."""
    entries = (_usable(path) for path in _files(folder))
    return tuple(entry.skill for entry in entries if entry)


def broken_skills(folder: Path | None = None) -> tuple[str, ...]:
    """One sentence for each skill file that cannot be used: file, key, what is allowed."""
    found = (_read_if_changed(path, _stamp(path)) for path in _files(folder))
    return tuple(problem for problem in found if isinstance(problem, str))


def get_skill(name: str, folder: Path | None = None) -> Skill:
    """Raises UnknownSkill, which says why if the skill's file is broken."""
    return _entry(name, folder).skill


def get_trainer(name: str, folder: Path | None = None) -> Trainer:
    """Raises UnknownSkill, which says why if the skill's file is broken."""
    return _entry(name, folder).trainer


def _entry(name: str, folder: Path | None) -> _Entry:
    path = next((path for path in _files(folder) if path.stem == name), None)
    if path is None:
        known = ", ".join(skill.name for skill in list_skills(folder)) or "none"
        raise UnknownSkill(f"There is no skill {name!r}; known are: {known}")
    found = _read_if_changed(path, _stamp(path))
    if isinstance(found, str):
        raise UnknownSkill(f"Skill {name!r} cannot be used: {found}")
    return found


def _files(folder: Path | None) -> list[Path]:
    """A name that begins with an underscore or a dot is no skill: the template, an editor's copy."""
    return sorted(path for path in (folder or SKILLS_FOLDER).glob("*.yaml") if path.name[0] not in "_.")


def _usable(path: Path) -> _Entry | None:
    found = _read_if_changed(path, _stamp(path))
    return None if isinstance(found, str) else found


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:  # gone since it was listed; reading it says so
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=256)
def _read_if_changed(path: Path, stamp: tuple[int, int]) -> _Entry | str:
    """The skill, or the sentence that says why its file cannot be used."""
    try:
        return _read(path)
    except (strict.BadConfig, OSError) as error:
        _log.warning("skill left out: %s", error)
        return str(error)


def _read(path: Path) -> _Entry:
    mapping = _read_mapping(path)
    if "name" in mapping:
        raise strict.BadConfig(f"{path}: name: take this key out; the file's name is the skill's name")
    skill = strict.read(Skill, mapping | {"name": path.stem}, source=str(path))
    make = _find_trainer(skill.trainer, source=str(path))
    try:
        return _Entry(skill, make(skill.name, skill.levels))
    except (ValueError, TypeError) as error:
        raise strict.BadConfig(f"{path}: {error}") from error


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise strict.BadConfig(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(value, dict):
        raise strict.BadConfig(f"{path}: a mapping is expected, {type(value).__name__} found")
    return value


def _find_trainer(name: str, *, source: str) -> Callable[[str, tuple[dict[str, Any], ...]], Trainer]:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise strict.BadConfig(
            f"{source}: trainer: {name!r} cannot be imported ({error}); "
            "a class such as guild.trainers.binary.BinaryAlchemist is expected"
        ) from error
    return cast("Callable[[str, tuple[dict[str, Any], ...]], Trainer]", found)
