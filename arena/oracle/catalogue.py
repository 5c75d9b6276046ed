"""What a host could load: the base models and the checkpoints of the heroes of its world, and nothing else.

A name from outside never becomes a path: it is compared with those that lie there. No torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arena import embedded
from arena.oracle.trouble import Ambiguous, BadRequest, UnknownModel
from arena.protocol import resolved_path
from realm import config, heroes
from realm.checkpoints import branches, sidecar
from realm.checkpoints.branches import AmbiguousStep
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.config_follower import Follower
from realm.oracle.wire import Selector
from realm.world import World

BASE = "base"
BASE_STEP = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    hero: str
    step: int
    name: str
    folder: Path | None
    """Of the checkpoint; None for the base model."""
    source: str
    """Where the weights lie: the checkpoint's folder, or the base model's folder or hub id."""

    @property
    def id(self) -> str:
        return f"{self.hero}/{self.name}"


class Catalogue:
    def __init__(self, world: World, settings: RealmConfig) -> None:
        self._world = world
        self._began_with = settings
        self._follower = Follower(world)

    @property
    def _settings(self) -> RealmConfig:
        self._began_with = self._follower.follow(self._began_with)
        return self._began_with

    @property
    def hero(self) -> str:
        """Who is meant where a request names nobody."""
        return self._settings.hero

    def heroes(self) -> list[str]:
        """The settings' hero, then the others whose folders are there."""
        folder = self._world.heroes
        found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        others = [name for name in found if name != self._settings.hero and config.is_hero_name(name)]
        return [self._settings.hero, *others]

    def entries(self, hero: str) -> list[Entry]:
        """Newest first, the base model last. What is no checkpoint's own folder, such as a link, is none."""
        folder = self._world.heroes / hero
        found = checkpoint_folders(folder) if folder.is_dir() else []
        checkpoints = [_entry(hero, path) for path in found if not path.is_symlink()]
        return [*checkpoints, self._base(hero, checkpoints)]

    def all(self) -> list[Entry]:
        return [entry for hero in self.heroes() for entry in self.entries(hero)]

    def find(self, wanted: Selector) -> Entry:
        """A step means the active branch, there the newest checkpoint of several.

        Raises UnknownModel with what there is, Ambiguous, or BadRequest.
        """
        hero, name = self._named(wanted)
        if hero not in self.heroes():
            raise UnknownModel(f"there is no hero {hero!r} here; there are {', '.join(self.heroes())}", available=())
        entries = self.entries(hero)
        if name is None:
            name = self.name_at(hero, wanted.step)
        for entry in entries:
            if entry.name == name:
                return entry
        steps = [entry.step for entry in entries]
        what = f"step {wanted.step}" if wanted.step is not None else repr(name)
        raise UnknownModel(f"{hero} has no checkpoint {what} here. Available: {steps}", available=steps)

    def name_at(self, hero: str, step: int | None) -> str | None:
        """The name of the model that is meant by its step. Raises Ambiguous."""
        if step is None or step == BASE_STEP:
            return BASE
        try:
            found = branches.at_step(self._world.heroes / hero, step)
        except AmbiguousStep as error:
            raise Ambiguous(str(error)) from error
        return found.name if found else None

    def check_base(self, source: str) -> None:
        """Raises UnknownModel for a folder that is neither in this world's models nor the one its settings name.

        A sidecar says what its hero's base is, and a sidecar may have come from anywhere.
        """
        path = Path(source)
        if not path.is_absolute():
            return  # a hub id, which transformers looks up in its cache
        folder = path.resolve()
        if folder.is_relative_to(self._world.models.resolve()) or str(folder) in self._named_bases():
            return
        raise UnknownModel(
            f"the base model {source} lies outside this world's models; copy it to {self._world.models / 'base'}, or "
            "name it as base_model in this host's settings",
            available=(),
        )

    def _named(self, wanted: Selector) -> tuple[str, str | None]:
        """Hero and, unless the step is given, name."""
        if wanted.model is None:
            return wanted.hero or self._settings.hero, wanted.name
        hero, slash, name = wanted.model.partition("/")
        if not slash or (wanted.hero is not None and wanted.hero != hero):
            raise BadRequest(f"model: {wanted.model!r} is no id such as {self._settings.hero}/{BASE} of that hero")
        return hero, name

    def _base(self, hero: str, checkpoints: list[Entry]) -> Entry:
        source = self._base_source(hero, checkpoints)
        return Entry(hero=hero, step=BASE_STEP, name=BASE, folder=None, source=source)

    def _base_source(self, hero: str, checkpoints: list[Entry]) -> str:
        """What the hero's newest readable checkpoint began from; without one, what its record or the settings name."""
        for entry in checkpoints:
            assert entry.folder is not None
            try:
                return self.base_of(entry.folder, sidecar.read(entry.folder).base_model)
            except (DamagedCheckpoint, OSError):
                continue
        record = heroes.read(self._world, hero) if hero != self.hero else None
        return self._folder_or_id(record.base_model) if record else self._folder_or_id(self._settings.base_model)

    def base_of(self, checkpoint: Path, told: str) -> str:
        """Where the base that a sidecar tells of lies on this host.

        The embedded hero's is in every world's own models; a copied checkpoint may tell of another machine's folder.
        """
        source = resolved_path(told, checkpoint.parent)
        own = embedded.folder(self._world.models)
        if Path(source).is_absolute() and not Path(source).is_dir() and Path(source).name == own.name and own.is_dir():
            return str(own)
        return source

    def _named_bases(self) -> set[str]:
        """By the settings, and by the records of heroes that fight no longer, or not yet."""
        records = (heroes.read(self._world, hero) for hero in self.heroes())
        named = {self._settings.base_model, *(record.base_model for record in records if record)}
        return {self._folder_or_id(base) for base in named}

    def _folder_or_id(self, base_model: str | None) -> str:
        if not base_model:
            return str(embedded.folder(self._world.models).resolve())
        folder = Path(config.whole_path(self._world, base_model)).expanduser()
        return str(folder.resolve()) if folder.is_dir() else base_model


def _entry(hero: str, folder: Path) -> Entry:
    step = step_of(folder.name)
    assert step is not None  # checkpoint_folders lists no others
    return Entry(hero=hero, step=step, name=folder.name, folder=folder, source=str(folder))
