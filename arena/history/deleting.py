"""Which battles may be deleted, what that frees, and the moving itself, which only the daemon does.

A battle's order, events and answers stay: checkpoints, levels, the chronicle, XP and gold rest on them. What goes is
what only its curves and a resume need, first into the battle's own trash, from which it can be put back.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from arena.gate.report import OUTCOME
from arena.history import notes
from arena.models import Battle, BattleRecord, Quest
from arena.protocol import ANSWERS_FOLDER, EVENTS_FILE, ORDER_FILE
from realm.disk import durable
from realm.world import World
from vault.models import Checkpoint

TRASH = ".trash"
MARK = "deleted.json"
TRASH_DAYS = 7
_GOING = ".trash-going"
"""A trash whose days are over, until the last of it is gone."""
STAYS = frozenset({ORDER_FILE, EVENTS_FILE, notes.FILE, OUTCOME, ANSWERS_FOLDER, MARK, TRASH, _GOING})
_AT_ONCE = 500
"""Names in one question to the database."""
_PENDING = "outcome.pending"
_UNDER_WAY = (Battle.State.TRAINING, Battle.State.PAUSED)


@dataclass(frozen=True, kw_only=True)
class Going:
    """A battle that is to be deleted."""

    battle: str
    quest: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Staying:
    battle: str
    quest: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    going: tuple[Going, ...]
    staying: tuple[Staying, ...]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.going)


def old(*, older_than_days: float | None = None, keep_newest: int | None = None) -> list[Battle]:
    """Ended battles that began longer ago, or beyond the newest so many; both given: those of which both hold.

    Raises ValueError where neither is given.
    """
    if older_than_days is None and keep_newest is None:
        raise ValueError("older_than_days: say how old, or how many of the newest are to stay")
    if older_than_days is not None and not 0 <= older_than_days <= 36_500:
        raise ValueError("older_than_days: between 0 and 36,500 days")
    if keep_newest is not None and not 0 <= keep_newest <= 1_000_000:
        raise ValueError("keep_newest: between 0 and 1,000,000 battles")
    rows = Battle.objects.filter(record__deleted_at=None).order_by("-id").select_related("quest", "record")
    found = list(rows[keep_newest or 0 :])
    if older_than_days is not None:
        since = datetime.now(UTC) - timedelta(days=older_than_days)
        found = [battle for battle in found if (battle.ended_at or battle.started_at) < since]
    return [battle for battle in found if battle.state not in _UNDER_WAY]


def preview(world: World, battles: Sequence[Battle]) -> Preview:
    """What deleting them would free, and which of them stay for what reason."""
    keep = reasons_to_stay(world, battles)
    going = [battle for battle in battles if battle.battle_id not in keep]
    return Preview(
        going=tuple(
            Going(battle=one.battle_id, quest=one.quest.name, size_bytes=_size(world.battles / one.battle_id))
            for one in going
        ),
        staying=tuple(
            Staying(battle=one.battle_id, quest=one.quest.name, why=keep[one.battle_id])
            for one in battles
            if one.battle_id in keep
        ),
    )


def reasons_to_stay(world: World, battles: Collection[Battle]) -> dict[str, str]:
    """By battle why it is not deleted, in words that go on after `it stays: `."""
    saved = _newest_checkpoints([battle.battle_id for battle in battles])
    asked = _fine_tuning_jobs(world) if any(battle.quest.job for battle in battles) else {}
    found: dict[str, str] = {}
    for battle in battles:
        folder = world.battles / battle.battle_id
        if battle.state in _UNDER_WAY:
            found[battle.battle_id] = f"it is {battle.state}: stop it first"
        elif notes.record_of(battle).deleted_at is not None:
            found[battle.battle_id] = "it is deleted already"
        elif battle.battle_id in saved:
            found[battle.battle_id] = f"its checkpoint {saved[battle.battle_id]} is kept: delete that first"
        elif battle.quest.job in asked:
            found[battle.battle_id] = f"the fine-tuning job {asked[battle.quest.job]} shows its curves"
        elif battle.quest.state == Quest.State.BATTLING:
            found[battle.battle_id] = "its quest is being fought"
        elif (folder / _PENDING).exists():
            found[battle.battle_id] = "what it taught is not measured yet"
    return found


def _newest_checkpoints(battles: Sequence[str]) -> dict[str, str]:
    """By battle, of those that have one here."""
    found: dict[str, str] = {}
    for start in range(0, len(battles), _AT_ONCE):
        rows = Checkpoint.objects.filter(battle__in=battles[start : start + _AT_ONCE]).order_by("step")
        found |= dict(rows.values_list("battle", "name"))
    return found


def _fine_tuning_jobs(world: World) -> dict[str, str]:
    """Ids of the fine-tuning API's jobs by those of the arena's."""
    found = {}
    for path in world.openai_jobs.glob("*.json"):
        try:
            value = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and value.get("job"):
            found[str(value["job"])] = path.stem
    return found


def put_away(world: World, battle: Battle, *, by: str) -> int:
    """Bytes that went into the battle's trash; only the daemon calls this. Safe to repeat after a kill.

    Raises OSError.
    """
    folder = world.battles / battle.battle_id
    moment = datetime.now(UTC)
    size = _size(folder)
    folder.mkdir(exist_ok=True)
    record, _ = BattleRecord.objects.get_or_create(battle=battle)
    mark = {"at": moment.isoformat(timespec="seconds"), "by": by, "figures": record.figures}
    durable.write_json(folder / MARK, mark)
    trash = folder / TRASH
    trash.mkdir(exist_ok=True)
    for path in _parts(folder):
        os.rename(path, trash / path.name)
    durable.sync_folder(trash)
    durable.sync_folder(folder)
    record.deleted_at = moment
    record.save(update_fields=["deleted_at"])
    return size


def put_back(world: World, battle: Battle) -> bool:
    """Whether all of it is there; False where its trash was emptied. Only the daemon calls this.

    Safe to repeat after a kill: the trash, by which it is known that something can be put back, goes last.
    """
    folder = world.battles / battle.battle_id
    trash = folder / TRASH
    if not trash.is_dir():
        return notes.record_of(battle).deleted_at is None
    for path in trash.iterdir():
        os.rename(path, folder / path.name)
    durable.sync_folder(folder)
    (folder / MARK).unlink(missing_ok=True)
    BattleRecord.objects.filter(battle=battle).update(deleted_at=None)
    trash.rmdir()
    return True


def can_be_restored(world: World, battle: Battle) -> bool:
    return (world.battles / battle.battle_id / TRASH).is_dir()


def empty_old(world: World, *, now: float | None = None) -> int:
    """Trash of battles that has lain for TRASH_DAYS is deleted for good; how many. Only the daemon calls this."""
    until = (time.time() if now is None else now) - TRASH_DAYS * 86_400
    since = datetime.fromtimestamp(until, UTC)
    emptied = 0
    rows = Battle.objects.filter(record__deleted_at__lt=since).values_list("battle_id", flat=True)
    for battle_id in rows.iterator():
        folder = world.battles / battle_id
        with suppress(FileNotFoundError):  # emptied before
            os.rename(folder / TRASH, folder / _GOING)  # nothing is put back of what is gone by half
            emptied += 1
        if (folder / _GOING).is_dir():
            shutil.rmtree(folder / _GOING)
    return emptied


def index_mark(world: World, battle: Battle) -> None:
    """What a rebuilt database has to know again of a battle's folder: its notes, and that it was deleted."""
    folder = world.battles / battle.battle_id
    written = notes.read(world, battle.battle_id)
    if written != notes.NO_NOTES:
        notes.index(battle, written)
    try:
        value = json.loads((folder / MARK).read_bytes())
        at = datetime.fromisoformat(str(value["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return
    BattleRecord.objects.update_or_create(battle=battle, defaults={"deleted_at": at, "figures": value.get("figures")})


def _parts(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in STAYS] if folder.is_dir() else []


def _size(folder: Path) -> int:
    """Bytes of what would go."""
    found = 0
    for part in _parts(folder):
        inside = part.rglob("*") if part.is_dir() and not part.is_symlink() else ()
        found += sum(path.lstat().st_size for path in (part, *inside) if not path.is_dir() or path.is_symlink())
    return found
