"""The queue: quest files and where they lie. A file's folder is the truth of its state; the row follows.

Only the daemon calls what writes here.
"""

from __future__ import annotations

import glob
import itertools
import os
from datetime import UTC, datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Case, IntegerField, QuerySet, Value, When

from arena import chronicle, gatekeeper
from arena.formats import UnreadableQuest
from arena.gatekeeper import Inspection
from arena.inbox import SUFFIX, has_writer
from arena.models import Quest
from guild.forge import is_forged_name
from realm import durable, sidecar
from realm.durable import TEMP_PREFIX
from realm.world import PRIORITIES, World

GOLD_PER_QUEST = 100
LONGEST_STEM_BYTES = 200
_COMPANIONS = ("report.json", "reason.json")
ALIVE = (Quest.State.QUEUED, Quest.State.BATTLING, Quest.State.COMPLETED)
"""States in which the same content is not taken a second time."""


def waiting() -> QuerySet[Quest]:
    """Queued quests in the order they will be fought."""
    ranks = [When(priority=priority, then=Value(rank)) for rank, priority in enumerate(PRIORITIES)]
    ranked = Quest.objects.filter(state=Quest.State.QUEUED).annotate(rank=Case(*ranks, output_field=IntegerField()))
    return ranked.order_by("rank", "id")


def add_file(world: World, source: Path, *, priority: str) -> Path:
    """Copy a file of the player's into a lane, whole or not at all; the daemon inspects it there."""
    target = _free_name(world.lane(priority), source.name if source.name.endswith(SUFFIX) else source.name + SUFFIX)
    durable.copy(source, target)
    return target


def move_in(world: World, arrival: Path, *, priority: str) -> Path:
    """From the inbox into a lane; a name that is taken gets a number."""
    target = _free_name(world.lane(priority), arrival.name)
    durable.move(arrival, target)
    return target


def unknown_files(world: World) -> list[tuple[str, Path]]:
    """Files in the lanes that no row knows, by lane, oldest first: just moved in, or put there by hand."""
    known = set(Quest.objects.filter(state=Quest.State.QUEUED).values_list("file", flat=True))
    found: list[tuple[int, int, str, Path]] = []
    for rank, priority in enumerate(PRIORITIES):
        for entry in os.scandir(world.lane(priority)):
            quest_like = entry.name.endswith(SUFFIX) and not entry.name.startswith((TEMP_PREFIX, "."))
            if quest_like and f"{priority}/{entry.name}" not in known and not has_writer(Path(entry.path)):
                found.append((rank, entry.stat(follow_symlinks=False).st_mtime_ns, priority, Path(entry.path)))
    return [(priority, path) for _, _, priority, path in sorted(found)]


def admit(world: World, path: Path, *, priority: str) -> Quest | None:
    """Inspect a file in a lane: it becomes a queued quest, or goes to `failed/` with its reason."""
    path = _with_plain_name(path)
    try:
        inspection = gatekeeper.inspect(path)
    except UnreadableQuest as error:
        _refuse(world, path, None, priority=priority, line=None, reason=str(error))
        return None
    if inspection.fault:
        fault = inspection.fault
        _refuse(world, path, inspection, priority=priority, line=fault.line, reason=fault.reason)
        return None
    twin = next((quest for quest in _same_content(inspection) if not _was_taken_away(world, quest)), None)
    if twin:
        reason = f"the same content as {twin.name}, which is {twin.get_state_display().lower()}"
        _refuse(world, path, inspection, priority=priority, line=None, reason=reason)
        return None
    gatekeeper.write_report(path, inspection)
    with transaction.atomic():
        quest = add_row(world, path, inspection, priority=priority, state=Quest.State.QUEUED)
        chronicle.say(
            "quest_arrived",
            f"A quest arrived: {quest.name}, {quest.taken} rows",
            quest=quest.name,
            rows=quest.rows,
            taken=quest.taken,
            priority=priority,
        )
    return quest


def _same_content(inspection: Inspection) -> QuerySet[Quest]:
    return Quest.objects.filter(sha256=inspection.sha256, state__in=ALIVE)


def _was_taken_away(world: World, quest: Quest) -> bool:
    """A queued file that the player renamed or moved to another lane is no twin of itself."""
    return quest.state == Quest.State.QUEUED and not os.path.lexists(path_of(world, quest))


def begin(world: World, quest: Quest) -> Path:
    """Move a queued quest to `processing/`; from here on it is battling."""
    target = _move(world, quest, world.processing)
    _set_state(world, quest, Quest.State.BATTLING, target)
    return target


def complete(world: World, quest: Quest) -> None:
    """Safe to repeat, as are `fail` and `cancel`: a daemon killed half-way does it again."""
    _set_state(world, quest, Quest.State.COMPLETED, _move(world, quest, world.recently_completed))


def prune_forged(world: World, *, keep: int) -> int:
    """Delete the files of old completed quests that the guild forged; their rows and battles stay.

    A quest of the player's is never deleted: only names and contents that the forge makes count.
    """
    forged = Quest.objects.filter(state=Quest.State.COMPLETED).exclude(skill="").exclude(file="").order_by("-id")
    doomed = [quest for quest in forged[keep:] if is_forged_name(quest.name)]
    for quest in doomed:
        path = path_of(world, quest)
        for gone in (path, *(gatekeeper.companion(path, suffix) for suffix in _COMPANIONS)):
            gone.unlink(missing_ok=True)
        quest.file = ""
        quest.save(update_fields=["file"])
    return len(doomed)


def fail(world: World, quest: Quest, reason: str, *, state: Quest.State = Quest.State.FAILED) -> None:
    source = path_of(world, quest)
    if os.path.lexists(source):  # else it was moved before, and its reason with it
        gatekeeper.write_reason(source, line=None, reason=reason)
    target = _move(world, quest, world.failed)
    quest.reason = reason
    _set_state(world, quest, state, target)


def cancel(world: World, quest: Quest, reason: str) -> None:
    fail(world, quest, reason, state=Quest.State.CANCELLED)


def put_back(world: World, quest: Quest) -> None:
    """From `processing/` into its lane again; it keeps its place in front of later quests."""
    _set_state(world, quest, Quest.State.QUEUED, _move(world, quest, world.lane(quest.priority)))


def forget(quest: Quest, reason: str) -> None:
    """A quest whose file the player took away."""
    quest.state, quest.reason, quest.ended_at = Quest.State.CANCELLED, reason, datetime.now(UTC)
    with transaction.atomic():
        quest.save(update_fields=["state", "reason", "ended_at"])
        chronicle.say("quest_refused", f"{quest.name} was cancelled: {reason}", quest=quest.name, reason=reason)


def note_place(world: World, quest: Quest, path: Path, state: Quest.State) -> None:
    """Make the row say what the folder says."""
    _set_state(world, quest, state, path)


def path_of(world: World, quest: Quest) -> Path:
    return world.queue / quest.file


def _refuse(
    world: World, path: Path, inspection: Inspection | None, *, priority: str, line: int | None, reason: str
) -> None:
    target = _free_name(world.failed, path.name)
    if inspection:
        gatekeeper.write_report(target, inspection)
    gatekeeper.write_reason(target, line=line, reason=reason)
    durable.move(path, target)  # last, so that no refused quest ever lies there without its reason
    with transaction.atomic():
        quest = add_row(world, target, inspection, priority=priority, state=Quest.State.FAILED, reason=reason)
        tell_refusal(quest, line=line)


def tell_refusal(quest: Quest, *, line: int | None = None) -> None:
    where = f"line {line}: " if line else ""
    message = f"{quest.name} was refused: {where}{quest.reason}"
    chronicle.say("quest_refused", message, quest=quest.name, line=line, reason=quest.reason)


def add_row(
    world: World, path: Path, inspection: Inspection | None, *, priority: str, state: Quest.State, reason: str = ""
) -> Quest:
    """A row for a file that lies at `path`; without an inspection its content is unknown."""
    now = datetime.now(UTC)
    return Quest.objects.create(
        name=path.name.removesuffix(SUFFIX),
        sha256=inspection.sha256 if inspection else "",
        priority=priority,
        state=state,
        file=path.relative_to(world.queue).as_posix(),
        data_format=inspection.data_format[:40] if inspection else "",
        rows=inspection.rows if inspection else 0,
        taken=inspection.taken if inspection else 0,
        size_bytes=inspection.size_bytes if inspection else 0,
        skill=(inspection.skill or "") if inspection else "",
        level=inspection.level if inspection else None,
        reason=reason,
        arrived_at=now,
        ended_at=now if state == Quest.State.FAILED else None,
    )


def _set_state(world: World, quest: Quest, state: Quest.State, path: Path) -> None:
    quest.state = state
    quest.file = path.relative_to(world.queue).as_posix()
    quest.ended_at = None if state in (Quest.State.QUEUED, Quest.State.BATTLING) else datetime.now(UTC)
    quest.save(update_fields=["state", "file", "ended_at", "reason"])


def _move(world: World, quest: Quest, folder: Path) -> Path:
    """Move what lies beside the file, then the file; one that is gone was moved before its row could say so."""
    source = path_of(world, quest)
    if source.parent == folder:
        return source
    if not os.path.lexists(source):
        return _moved_before(quest, folder, source.name)
    target = _free_name(folder, source.name)
    for suffix in _COMPANIONS:
        beside = gatekeeper.companion(source, suffix)
        if beside.exists():
            os.replace(beside, gatekeeper.companion(target, suffix))
    durable.move(source, target)
    return target


def _moved_before(quest: Quest, folder: Path, name: str) -> Path:
    """By content, among the files that belong to no other quest: a name that was taken got a number on the way."""
    others = Quest.objects.exclude(pk=quest.pk).filter(file__startswith=f"{folder.name}/")
    taken = set(others.values_list("file", flat=True))
    stem = name.removesuffix(SUFFIX)
    for path in sorted(folder.glob(f"{glob.escape(stem)}*{SUFFIX}")):
        known = f"{folder.name}/{path.name}" in taken
        if not known and path.is_file() and sidecar.digest(path) == quest.sha256:
            return path
    return folder / name


def _plain(stem: str) -> str:
    """A name that the index can hold, that is no hidden file's, and that leaves room for what lies beside the quest."""
    text = os.fsencode(stem).decode("utf-8", "backslashreplace").lstrip(".") or "quest"
    return text.encode()[:LONGEST_STEM_BYTES].decode("utf-8", "ignore")


def _with_plain_name(path: Path) -> Path:
    """A file put into a lane by hand may be called anything."""
    if _plain(path.name.removesuffix(SUFFIX)) + SUFFIX == path.name:
        return path
    target = _free_name(path.parent, path.name)
    durable.move(path, target)
    return target


def _free_name(folder: Path, name: str) -> Path:
    stem = _plain(name.removesuffix(SUFFIX))
    numbered = (f"{stem}-{number}{SUFFIX}" for number in itertools.count(2))
    names = itertools.chain([f"{stem}{SUFFIX}"], numbered)
    return next(folder / free for free in names if not os.path.lexists(folder / free))
