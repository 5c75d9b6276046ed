"""Whether training can go on from the newest checkpoint, by the proofs and files that the trainer asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from arena import embedded
from arena.models import Battle, Quest
from arena.protocol import portable_path
from arena.rows.limits import INSPECTED
from arena.rows.lines import content_digest
from arena.rows.model import UnreadableQuest
from arena.rows.tokenizer import TOKENIZER_FILE
from realm.checkpoints import branches, sidecar
from realm.checkpoints.moments import MOMENT_FILES
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.config import RealmConfig
from realm.world import World
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning
from vault.ledger.verifying import inspect

LARGEST_READ_BYTES = 4 * 10**9
"""Of a newest checkpoint that is read byte by byte at each patrol; of a larger one names and sizes are compared."""
MOST_COMPARED = 200
"""Checkpoints of a hero of which a patrol that is not deep compares names and sizes."""
STATE_FILE, RANDOM_FILE = "training_state.json", "rng.safetensors"
_FALLS_BACK = (
    "the trainer sets it aside and goes on from the one before; `manage.py vault locate {id}` shows other copies"
)
_ASIDE = ("damaged-", "diverged-")


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world, hero = patrolled.world, patrolled.config.hero
    folder = world.heroes / hero
    yield from _link(world)
    newest = next(iter(branches.line_folders(folder)), None)
    if newest is None:
        yield ok("resume", f"{hero} has no checkpoint yet and begins at its base model")
    else:
        yield from _resume(patrolled, newest)
    yield from _all(world, newest) if patrolled.deep else _newest(world, newest)
    if aside := [path.name for path in _folders(folder) if path.name.startswith(_ASIDE)]:
        sentence = f"set aside, since they were damaged or training went wrong behind them: {named(aside)}"
        remedy = f"once nobody wants to look at them: `rm -r {folder / aside[0]}`"
        yield warning("checkpoints set aside", sentence, remedy, path=folder)


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _link(world: World) -> Iterator[Finding]:
    if world.current_model.is_symlink() and not world.current_model.exists():
        sentence = f"models/current_model leads to {world.current_model.readlink()}, which is not there"
        yield trouble("hero", sentence, "bring that folder back, or name its hero in the settings", path=world.models)


def _resume(patrolled: Patrolled, folder: Path) -> Iterator[Finding]:
    identifier = f"checkpoint_{folder.name.split('-')[1]}"
    try:
        saved = sidecar.read(folder)
        size = sum(proof.size_bytes for proof in saved.files.values())
        sidecar.verify(folder, quick=size > LARGEST_READ_BYTES and not patrolled.deep)
    except (DamagedCheckpoint, OSError) as damage:
        yield trouble("resume", f"the newest checkpoint is damaged: {damage}", _FALLS_BACK.format(id=identifier))
        return
    found = [*_parts(folder, saved), *_lineage(patrolled, folder, saved), *_cursor(patrolled.world, saved)]
    yield from found or [ok("resume", f"{folder.name} is whole, and training goes on from it")]


def _parts(folder: Path, saved: Sidecar) -> Iterator[Finding]:
    """What a resume loads beside the weights."""
    if saved.thinned is not None:
        yield warning("resume", f"{folder.name} was thinned to its weights: the optimizer begins anew")
    elif not any(name in saved.files for name in MOMENT_FILES):
        yield trouble("resume", f"{folder.name} holds no optimizer state")
    missing = [name for name in (STATE_FILE, RANDOM_FILE, TOKENIZER_FILE) if name not in saved.files]
    if missing:
        yield trouble("resume", f"{folder.name} holds no {named(missing)}", path=folder)
        return
    try:
        state = orjson.loads((folder / STATE_FILE).read_bytes())
    except (OSError, ValueError):
        state = None
    if not isinstance(state, dict):
        yield trouble("resume", f"{STATE_FILE} of {folder.name} is no mapping", path=folder / STATE_FILE)


def _lineage(patrolled: Patrolled, folder: Path, saved: Sidecar) -> Iterator[Finding]:
    """A hero keeps its base model for life, and an adapter what it sits on."""
    wanted = portable_path(_base_model(patrolled.world, patrolled.config), folder.parent)
    if saved.base_model != wanted:
        sentence = f"{folder.name} was trained with base_model {saved.base_model}, the settings say {wanted}"
        yield trouble("resume", sentence, "set base_model back, or name another hero")
    if saved.adapter_base and not (folder.parent / saved.adapter_base).is_dir():
        sentence = f"{folder.name} is an adapter on {saved.adapter_base}, which is gone"
        yield trouble("resume", sentence, "`manage.py treasury undo` may bring it back, or a copy of it")


def _base_model(world: World, config: RealmConfig) -> str:
    """As orders of battles name it."""
    if not config.base_model:
        return str(embedded.folder(world.models))
    folder = Path(config.base_model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else config.base_model


def _cursor(world: World, saved: Sidecar) -> Iterator[Finding]:
    """An unfinished quest is gone on with where its battle is: its rows must be those that it began with."""
    under_way = (Battle.State.TRAINING, Battle.State.PAUSED)
    battle = Battle.objects.filter(battle_id=saved.battle, state__in=under_way).select_related("quest").first()
    if saved.cursor.finished or battle is None or battle.quest.state != Quest.State.BATTLING:
        return
    try:
        digest = content_digest(world.queue / battle.quest.file, INSPECTED)
    except (OSError, UnreadableQuest) as error:
        yield trouble("resume", f"{battle.quest.name}, which is half fought, cannot be read: {error}")
        return
    if digest != saved.cursor.quest_sha256:
        sentence = f"{battle.quest.name} was changed since {saved.name}: its battle cannot go on where it was"
        yield trouble("resume", sentence, "bring the file back as it was, or `manage.py battle stop`")


def _all(world: World, newest: Path | None) -> Iterator[Finding]:
    """Every byte of every checkpoint of every hero."""
    count = 0
    for folder in (path for hero in _folders(world.heroes) for path in checkpoint_folders(hero)):
        count += 1
        found = inspect(folder)
        if not found.whole and folder != newest and folder.is_dir():
            yield _damaged(folder, str(found))
    yield ok("checkpoints", f"every byte of {count} was read")


def _newest(world: World, newest: Path | None) -> Iterator[Finding]:
    """Names and sizes of each hero's last ones: a file that is gone is seen before somebody needs it."""
    for hero in _folders(world.heroes):
        for folder in checkpoint_folders(hero)[:MOST_COMPARED]:
            try:
                sidecar.verify(folder, quick=True)
            except (DamagedCheckpoint, OSError) as damage:
                if folder != newest and folder.is_dir():
                    yield _damaged(folder, str(damage))


def _damaged(folder: Path, sentence: str) -> Finding:
    remedy = f"`manage.py ledger verify {folder.name}` looks again; a copy may be whole"
    return trouble(f"checkpoint {folder.parent.name}/{folder.name}", sentence, remedy, path=folder)
