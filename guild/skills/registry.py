"""The skills of `configs/skills/*.yaml` and of the world's own `skills/*.yaml`, which is laid over them: the one place
where they are defined. A file's name is its skill's name.

A file is read anew when it has changed. What stands in it is checked when skills are listed; the parameters of a
reasoning-gym task, whose package takes long to import, when its trainer is first asked for. What one process finds so
is noted for the others by guild.skills.health.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from guild.errors import BrokenFile, UnknownSkill
from guild.trainers import gym, local
from guild.trainers.contract import Generator, Trainer
from realm import strict
from realm.strict import Range
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

SKILLS_FOLDER = CHECKOUT / "configs" / "skills"
SPRITE = CHECKOUT / "static" / "vendor" / "game-icons" / "sprite.svg"
HTTP = "http"
MOST_LEVELS = 1000
LONGEST_NAME = 100

Kind = Literal["class", "http", "reasoning-gym"]
Stamp = tuple[int, int]
"""Time of change in nanoseconds, and bytes."""

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9]{0,39}")
_ICON = re.compile(r"[a-z][a-z0-9-]*")
_COLOR = re.compile(r"#[0-9a-f]{6}")
Priority = Annotated[int, Range(0, 1000)]
Rows = Annotated[int, Range(1, 100_000)]
Share = Annotated[float, Range(0, 0.9)]
PreviewShare = Annotated[float, Range(0, 0.5)]
LostWeight = Annotated[int, Range(1, 100)]
Problems = Annotated[int, Range(1, 10_000)]


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
    """Import path of the class that makes and judges its problems, `http`, or `reasoning-gym:TASK`."""
    levels: tuple[dict[str, Any], ...]
    """Parameters of level 1, 2, …; what they may be is the trainer's business."""
    api_url: str | None = None
    """Where its trainer is a server; for a class or a task, where `manage.py trainer` serves it."""
    trainer_skill: str | None = None
    """What its server calls the skill; None: as its file is named. Only for the kind `http`."""
    aliases: tuple[str, ...] = ()
    """Other names by which commands know it."""
    priority: Priority = 1
    """A skill of priority 2 gets twice as many forged quests as one of priority 1; 0 gets none."""
    quest_rows: Rows = 3400
    rehearsal_share: Share = 0.4
    """Of a quest's rows, how many are of lower levels."""
    first_rehearsal_share: Share = 0.5
    """The same in the first quest of a level, whose strange problems make a hero forget most."""
    lost_weight: LostWeight = 3
    """A lost level is rehearsed with this many times the rows of a level that is still mastered."""
    preview_share: PreviewShare = 0.0
    """Of a quest's rows, how many are of the next level."""
    other_skills_share: Share = 0.3
    """Of a quest's rows, how many are of what the hero has learnt in other skills that are in play."""
    requires: dict[str, int] = field(default_factory=dict)
    """Levels that the hero must have reached in other skills before quests of this one are forged."""
    evaluation_problems: Problems = 5
    """Held out for each level; an evaluation set once written is not changed by this."""
    validation_problems: Problems = 32

    def __post_init__(self) -> None:
        for key, pattern in (("name", _NAME), ("icon", _ICON), ("color", _COLOR)):
            if not pattern.fullmatch(getattr(self, key)):
                raise ValueError(f"{key}: {getattr(self, key)!r} is not allowed; allowed is {pattern.pattern}")
        if wrong := next((alias for alias in self.aliases if not _NAME.fullmatch(alias)), None):
            raise ValueError(f"aliases: {wrong!r} is not allowed; allowed is {_NAME.pattern}")
        for key, longest in (("title", 60), ("description", 300)):
            if not 1 <= len(getattr(self, key).strip()) <= longest:
                raise ValueError(f"{key}: a text of 1 to {longest} characters is expected")
        if not 1 <= len(self.levels) <= MOST_LEVELS:
            raise ValueError(f"levels: at least one level is needed, and at most {MOST_LEVELS} are allowed")
        strict.check_ranges(self)
        _check_address(self.api_url, is_needed=self.kind == "http")
        if self.name in self.requires:
            raise ValueError(f"requires: {self.name} cannot require itself")
        if self.trainer_skill is not None and self.kind != "http":
            raise ValueError("trainer_skill: only a trainer of kind http has a name of its own for a skill")
        if self.trainer_skill is not None and not 1 <= len(self.trainer_skill.strip()) <= LONGEST_NAME:
            raise ValueError(f"trainer_skill: a text of 1 to {LONGEST_NAME} characters is expected")

    @property
    def max_level(self) -> int:
        return len(self.levels)

    @property
    def kind(self) -> Kind:
        if self.trainer == HTTP:
            return "http"
        return "reasoning-gym" if self.trainer.startswith(gym.PREFIX) else "class"

    @property
    def is_remote(self) -> bool:
        """As of its trainer, told without asking for the trainer."""
        return self.kind != "class"


KEYS = tuple(one.name for one in fields(Skill) if one.name != "name")
"""What may stand in a skill's file."""


def _check_address(url: str | None, *, is_needed: bool) -> None:
    if url is None:
        if is_needed:
            raise ValueError("api_url: a trainer of kind http needs the address of its server")
    elif not _is_address(url):
        raise ValueError(f"api_url: {strict.shown(url)} is not allowed; an address like http://127.0.0.1:8080 is")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        bare = not (parts.query or parts.fragment or parts.username or parts.password) and parts.path in ("", "/")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and bare and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False


def list_skills(folder: Path | None = None) -> list[str]:
    """Names of the usable skills, in their order."""
    return [skill.name for skill in read_skills(folder)]


def read_skills(folder: Path | None = None) -> tuple[Skill, ...]:
    """Every usable skill by name; a broken file is left out and told once in the log."""
    return tuple(found for found in map(_look, _files(folder)) if isinstance(found, Skill))


def broken_skills(folder: Path | None = None) -> tuple[str, ...]:
    """One sentence for each skill file that cannot be used: file, key, what is allowed."""
    return tuple(found for found in map(_look, _files(folder)) if isinstance(found, str))


def name_of(name: str, folder: Path | None = None) -> str:
    """The skill's own name where `name` is an alias; otherwise `name` as it is."""
    if any(path.stem == name for path in _files(folder)):
        return name
    return next((skill.name for skill in read_skills(folder) if name in skill.aliases), name)


def get_skill(name: str, folder: Path | None = None) -> Skill:
    """By its name or an alias. Raises UnknownSkill, which says why if the skill's file is broken."""
    found = _look(_file(name, folder))
    if isinstance(found, str):
        raise UnknownSkill(f"Skill {name!r} cannot be used: {found}")
    return found


def get_trainer(name: str, folder: Path | None = None) -> Trainer:
    """By the skill's name or an alias. Raises UnknownSkill, which says why if the skill's file is broken.

    BrokenFile for a fault in the file that only the trainer could find, such as a parameter its task lacks.
    """
    path = _file(name, folder)
    now = stamp(path)
    found = _load_if_changed(path, now)
    if isinstance(found, str):
        was_readable = isinstance(_read_if_changed(path, now), Skill)
        raise (BrokenFile if was_readable else UnknownSkill)(f"Skill {name!r} cannot be used: {found}")
    return found


def impossible_requirements(skill: Skill, folder: Path | None = None) -> tuple[str, ...]:
    """Why no hero can ever meet what `skill` requires, a part of a sentence for each; empty if one can."""
    files = {path.stem: path for path in _files(folder)} if skill.requires else {}
    return tuple(why for name, least in skill.requires.items() if (why := _why_never(name, least, files)))


def _why_never(name: str, least: int, files: dict[str, Path]) -> str:
    if name not in files:
        return f"it requires {name}, and there is no skill of that name{_meant(name, files)}"
    found = _look(files[name])
    if isinstance(found, str):
        return f"it requires {name}, whose file cannot be used"
    if least > found.max_level:
        return f"it requires {name} level {least}, and {name} has only {found.max_level} levels"
    return ""


def stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except OSError:  # gone since it was listed; reading it says so
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)


def file_of(name: str, folder: Path | None = None) -> Path:
    """Where a skill of that name stands, or would."""
    found = next((path for path in _files(folder) if path.stem == name), None)
    return found or (folder or SKILLS_FOLDER) / f"{name}.yaml"


def _file(name: str, folder: Path | None) -> Path:
    own = name_of(name, folder)
    path = next((path for path in _files(folder) if path.stem == own), None)
    if path is None:
        known = list_skills(folder)
        raise UnknownSkill(f"There is no skill {name!r}; known are: {', '.join(known) or 'none'}{_meant(name, known)}")
    return path


def _files(folder: Path | None) -> list[Path]:
    """Those of one folder; else the shipped ones, over which those of the world's own are laid by name.

    A name that begins with an underscore or a dot is no skill: the template, an editor's copy.
    """
    folders = (folder,) if folder else (SKILLS_FOLDER, World.from_environment().skills)
    found = {path.name: path for each in folders for path in each.glob("*.yaml") if path.name[0] not in "_."}
    return [found[name] for name in sorted(found)]


_refused: dict[tuple[Path, Stamp], str] = {}
"""What trainers found in files that could be read, once they were asked for."""


def _look(path: Path) -> Skill | str:
    now = stamp(path)
    return _refused.get((path, now)) or _read_if_changed(path, now)


@lru_cache(maxsize=256)
def _read_if_changed(path: Path, stamp: Stamp) -> Skill | str:
    """The skill, or the sentence that says why its file cannot be used."""
    try:
        skill = _read(path)
        if not skill.is_remote:  # a class is at hand, and says at once what it thinks of its levels
            _load(skill, source=str(path))
    except (strict.BadConfig, OSError) as error:
        _log.warning("skill left out: %s", error)
        return str(error)
    return skill


@lru_cache(maxsize=256)
def _load_if_changed(path: Path, stamp: Stamp) -> Trainer | str:
    """The skill's trainer, or the sentence that says why there is none."""
    skill = _read_if_changed(path, stamp)
    if isinstance(skill, str):
        return skill
    try:
        return _load(skill, source=str(path))
    except strict.BadConfig as error:
        _log.warning("skill left out: %s", error)
        _refused[path, stamp] = str(error)
        return str(error)


def _read(path: Path) -> Skill:
    mapping = read_yaml(path)
    if "name" in mapping:
        raise strict.BadConfig(f"{path}: name: take this key out; the file's name is the skill's name")
    if unknown := next((key for key in mapping if key not in KEYS), None):
        raise strict.BadConfig(f"{path}: {strict.unknown_key(unknown, KEYS)}")
    if mapping.get("trainer") == HTTP and type(mapping.get("levels")) is int:
        # A server knows the parameters of its levels itself.
        mapping["levels"] = [{}] * _bounded(mapping["levels"], source=str(path))
    skill = strict.read(Skill, mapping | {"name": path.stem}, source=str(path))
    _check_icon(skill.icon, source=str(path))
    if skill.kind == "reasoning-gym":
        gym.check_name(skill.trainer, source=str(path))
    return skill


def _bounded(levels: int, *, source: str) -> int:
    if not 1 <= levels <= MOST_LEVELS:
        shown = strict.shown(levels)
        raise strict.BadConfig(f"{source}: levels: {shown} is not allowed; allowed are 1 to {MOST_LEVELS}")
    return levels


def _check_icon(icon: str, *, source: str) -> None:
    known = _icons()
    if icon not in known:
        allowed = ", ".join(known)
        raise strict.BadConfig(f"{source}: icon: {icon!r} is not allowed; allowed are {allowed}{_meant(icon, known)}")


@lru_cache(maxsize=1)
def _icons() -> tuple[str, ...]:
    return tuple(sorted(re.findall(r'id="gi-([a-z0-9-]+)"', SPRITE.read_text(encoding="utf-8"))))


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _load(skill: Skill, *, source: str) -> Trainer:
    """Raises strict.BadConfig."""
    if skill.kind == "http":
        from guild.trainers.http import HttpTrainer  # its client takes long to import, and most worlds need none

        return HttpTrainer(skill.name, str(skill.api_url), skill.levels, called=skill.trainer_skill)
    cls = None if skill.kind == "reasoning-gym" else _find_class(skill.trainer, source=source)
    try:
        if cls is None:
            return gym.GymTrainer(skill.name, skill.trainer.removeprefix(gym.PREFIX), skill.levels)
        return local.make(cls, skill.name, skill.levels)
    except ValueError as error:
        raise strict.BadConfig(f"{source}: {error}") from error
    except Exception as error:  # a class of the player's own may raise anything
        raise strict.BadConfig(f"{source}: trainer: {type(error).__name__}: {error}") from error


def _find_class(name: str, *, source: str) -> type[Generator]:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        kinds = (HTTP, f"{gym.PREFIX}chain_sum", "guild.trainers.binary.BinaryAlchemist")
        raise strict.BadConfig(
            f"{source}: trainer: {name!r} cannot be imported ({error}); allowed are a class such as {kinds[2]}, "
            f"{HTTP}, and {gym.PREFIX}TASK{_meant(name, kinds)}"
        ) from error
    if not isinstance(found, type) or not all(callable(getattr(found, part, None)) for part in ("sample", "judge")):
        raise strict.BadConfig(
            f"{source}: trainer: {name} is no class with the methods sample and judge; see guild/trainers/contract.py"
        )
    return found
