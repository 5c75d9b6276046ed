"""A new hero: from a base model, or branched off from a checkpoint of another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from arena.roster import base_models, names
from arena.roster.errors import BadHero, HeroRefused, UnknownHero
from guild.errors import GuildError
from guild.evaluation.checkpoints import choose
from realm import heroes
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import OWN_BASES
from realm.disk import durable
from realm.heroes import HeroRecord, Parent
from realm.world import World
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.errors import VaultError
from vault.jobs import queue
from vault.models import Job


@dataclass(frozen=True, kw_only=True)
class Created:
    hero: str
    base_model: str | None
    preset: str | None
    reason: str
    """Which recipe suits it, and why."""
    parent: Parent | None = None
    job: int | None = None
    """Of the vault, which writes the model that a branch begins from."""

    @property
    def said(self) -> str:
        if self.parent:
            return (
                f"{self.hero} begins from step {self.parent.step:,} of {self.parent.hero}, with level 0 and a fresh "
                "optimizer. Its model is being written; switch to it once that is done."
            )
        return f"{self.hero} is here. Switch to it, and it fights the next quest."


def create(world: World, *, name: str, base_model: str = heroes.EMBEDDED, preset: str = "standard", by: str) -> Created:
    """A hero with no step yet; who fights stays who it is. Raises BadHero or HeroRefused."""
    name = _free(world, name)
    base = base_models.read_base(base_model)
    resolved = base_models.check(world, name, base, preset)
    _write(world, name, HeroRecord(base_model=base, preset=preset, created_at=_now()))
    chronicle.record_done(world, "hero-create", by=by, hero=name, base_model=base or heroes.EMBEDDED)
    return Created(hero=name, base_model=base, preset=preset, reason=resolved.reason)


def branch(
    world: World, *, name: str, hero: str, checkpoint: str, preset: str | None = None, by: str
) -> Created:  # fmt: skip
    """A hero that begins from what another had learned; `checkpoint`: a name, a step, `newest`, `best` (the champion).

    Weights alone are carried over: its steps, levels and gold begin at nothing. Raises BadHero, HeroRefused.
    """
    name = _free(world, name)
    saved = _saved(world, hero, checkpoint)
    record = heroes.read(world, hero)
    preset = preset or (record.preset if record else HeroRecord.preset)
    base = f"{OWN_BASES}{name}"
    if (world.home / base).exists():
        raise HeroRefused(f"{world.home / base} is there already: choose another name, or move that folder away")
    parent = Parent(hero=saved.hero, checkpoint=saved.name, step=saved.step, sha256=sidecar.answering_digest(saved))
    asset = checkpoint_id(saved.hero, saved.name)
    try:
        job = queue.add(kind=Job.Kind.EXPORT, asset_id=asset, destination=name, options={"as_base": True}, by=by)
    except VaultError as error:
        raise HeroRefused(str(error)) from error
    _write(world, name, HeroRecord(base_model=base, preset=preset, created_at=_now(), parent=parent))
    chronicle.record_done(world, "hero-branch", by=by, asset_id=asset, hero=name)
    return Created(hero=name, base_model=base, preset=preset, reason="", parent=parent, job=job.pk)


def _saved(world: World, hero: str, wish: str) -> sidecar.Sidecar:
    names.must_be_known(world, hero)
    try:
        (chosen,) = choose(world, hero, [wish])
        if chosen.name is None:
            raise HeroRefused(f"{wish} of {hero} is the base model, or is not here: create a hero without a checkpoint")
        return sidecar.read(world.heroes / hero / chosen.name)
    except ValueError:
        raise BadHero(f"{wish!r} names several checkpoints; a hero begins from one") from None
    except (GuildError, DamagedCheckpoint) as error:
        raise HeroRefused(str(error)) from error
    except OSError:
        raise UnknownHero(f"{hero} has no checkpoint {wish!r} here") from None


def _free(world: World, name: str) -> str:
    """Raises BadHero."""
    found = names.check(world, name)
    if found.refusal:
        ideas = f" How about {', '.join(found.suggestions)}?" if found.suggestions else ""
        raise BadHero(f"{found.refusal}{ideas}")
    return found.name


def _write(world: World, name: str, record: HeroRecord) -> None:
    try:
        with durable.new_folder(world.heroes / name) as folder:
            heroes.write_into(folder, record)
    except FileExistsError:
        raise BadHero(f"{name} is a hero of this world already.") from None


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
