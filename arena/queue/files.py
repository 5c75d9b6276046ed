"""The queue: quest files and where they lie. A file's folder is the truth of its state; the row follows.

Only the daemon calls what moves files that are in the queue already.
"""

from __future__ import annotations

import glob
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.db import transaction
from django.db.models import Case, IntegerField, Max, QuerySet, Value, When

from arena import chronicle
from arena.gate import report as reports
from arena.gate.report import NO_WISHES, Report, Wishes
from arena.models import Quest
from arena.queue import lane_order
from arena.queue import ticket as tickets
from arena.queue.given import Given, move_with_recipe
from arena.queue.inbox import has_writer
from arena.rows.limits import INSPECTED
from arena.rows.lines import SUFFIXES, content_digest, is_quest_name, stem_of, suffix_of
from arena.rows.model import UnreadableQuest
from realm.disk import durable
from realm.disk.durable import TEMP_PREFIX
from realm.quest_names import is_own_name
from realm.world import PRIORITIES, World

LONGEST_STEM_BYTES = 200
LARGE_BYTES = 8_000_000
"""Files beyond it are looked at by gatekeepers of their own, so that smaller ones need not wait."""
UNSURE_SECONDS = 1.0
"""A folder changed this short a time ago may have changed once more within the same tick of its clock."""
LOOKING_SHARE = 20
"""A look at the lanes that took long is not repeated for this many times as long."""
WAITING = (Quest.State.ARRIVED, Quest.State.INSPECTED, Quest.State.QUEUED)
"""States whose files lie in a lane."""
_RANK = Case(
    *(When(priority=priority, then=Value(rank)) for rank, priority in enumerate(PRIORITIES)),
    output_field=IntegerField(),
)


def in_order(quests: QuerySet[Quest]) -> QuerySet[Quest]:
    return quests.annotate(rank=_RANK).order_by("rank", "position", "id")


def waiting() -> QuerySet[Quest]:
    """Queued quests in the order they will be fought."""
    return in_order(Quest.objects.filter(state=Quest.State.QUEUED))


def arrived() -> QuerySet[Quest]:
    """Quests that the gatekeepers have yet to look at, in the order they will."""
    return in_order(Quest.objects.filter(state=Quest.State.ARRIVED))


def add_file(
    world: World,
    source: Path,
    *,
    priority: str,
    name: str | None = None,
    wishes: Wishes = NO_WISHES,
    recipe: bytes = b"",
    ticket: bytes = b"",
) -> Path:
    """Copy a file of the player's into a lane, whole or not at all; the daemon sees it there.

    `name` is the quest's where it is another one than the file's. `recipe` is what stands in the file of the quest's
    own recipe; nothing: it follows the realm's. `ticket` is that of the job which asks for it.
    """
    name = name or (source.name if is_quest_name(source.name) else source.name + SUFFIXES[0])
    given = Given(wishes, recipe, ticket)
    return _put(world.lane(priority), name, given, lambda target: durable.copy(source, target))


def take_upload(
    world: World,
    temp: Path,
    name: str,
    *,
    priority: str,
    wishes: Wishes = NO_WISHES,
    recipe: bytes = b"",
    ticket: bytes = b"",
) -> Path:
    """The same for a file that lies under a temp name on the world's own file system: it is moved.

    Raises ValueError for a name that is no quest's.
    """
    if not is_quest_name(name):
        raise ValueError(f"{name!r} is no quest: its name must end in {', '.join(SUFFIXES)}")
    durable.sync_file(temp)
    given = Given(wishes, recipe, ticket)
    return _put(world.lane(priority), os.path.basename(name), given, lambda target: durable.move(temp, target))


def _put(lane: Path, name: str, given: Given, into: Callable[[Path], None]) -> Path:
    """Under the first name that is free, also where another process takes names at the same time."""
    while True:
        target = _unclaimed_name(lane, name)
        with suppress(FileExistsError):
            given.claim(target)
            try:
                into(target)
            except BaseException as error:
                if isinstance(error, FileExistsError) or not os.path.lexists(target):
                    given.give_up(target)
                raise
            return target


def move_in(world: World, arrivals: Sequence[Path], *, priority: str) -> tuple[list[Path], dict[Path, OSError]]:
    """From the inbox into a lane; a name that is taken gets a number. Returns where they are, and what could not be.

    Only the lane is synced: a file that is back in the inbox after a power loss is refused as a twin of itself.
    """
    lane = world.lane(priority)
    moved: list[Path] = []
    troubles: dict[Path, OSError] = {}
    for path in arrivals:
        try:
            moved.append(_rename_into(lane, path))
        except OSError as error:
            troubles[path] = error
    if moved:
        durable.sync_folder(lane)
    return moved, troubles


def _rename_into(lane: Path, path: Path) -> Path:
    while True:
        target = _unclaimed_name(lane, path.name)
        with suppress(FileExistsError):
            move_with_recipe(path, target)
            return target


class Lanes:
    """Finds files in the lanes that no row knows: added, or put there by hand."""

    def __init__(self, world: World, clock: Callable[[], float] = time.monotonic) -> None:
        self._world, self._clock = world, clock
        self._looked_at: dict[str, int] = {}
        self._not_before = 0.0

    def unknown_files(self) -> list[tuple[str, Path]]:
        """By lane, oldest first. A lane in which nothing changed since the last call is not read again, and full
        lanes, into which the gatekeepers write all the time, are not read all the time."""
        begun = self._clock()
        changed = [priority for priority in PRIORITIES if begun >= self._not_before and self._changed(priority)]
        if not changed:
            return []
        known = set(Quest.objects.filter(state__in=WAITING).values_list("file", flat=True))
        found = [(priority, path) for priority in changed for path in self._unknown(priority, known)]
        self._not_before = self._clock() + LOOKING_SHARE * (self._clock() - begun)
        return found

    def _changed(self, priority: str) -> bool:
        changed_at = self._world.lane(priority).stat().st_mtime_ns
        if self._looked_at.get(priority) == changed_at:
            return False
        if time.time_ns() - changed_at > UNSURE_SECONDS * 1e9:
            self._looked_at[priority] = changed_at
        return True

    def _unknown(self, priority: str, known: set[str]) -> Iterator[Path]:
        found: list[tuple[int, str, Path]] = []
        for entry in os.scandir(self._world.lane(priority)):
            hidden = entry.name.startswith((TEMP_PREFIX, "."))
            if hidden or not is_quest_name(entry.name) or f"{priority}/{entry.name}" in known:
                continue
            path = Path(entry.path)
            with suppress(FileNotFoundError):  # the player takes files away when it pleases
                if has_writer(path):
                    self._looked_at.pop(priority, None)  # closing it changes no folder
                else:
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name, path))
        yield from (path for *_, path in sorted(found))


def see(world: World, found: Sequence[tuple[str, Path]], *, arranged: lane_order.Lanes | None = None) -> list[Quest]:
    """Rows for files in the lanes; the gatekeepers look at them next.

    `arranged` is the kept order, for files that may have had rows before.
    """
    last = dict(Quest.objects.filter(state__in=WAITING).values_list("priority").annotate(Max("position")))
    last |= {lane: max(last.get(lane, 0), len(names)) for lane, names in (arranged or {}).items()}
    quests = []
    for priority, path in found:
        try:
            path = with_plain_name(path)
            size_bytes = path.lstat().st_size
        except FileNotFoundError:
            continue  # taken away since it was found
        last[priority] = last.get(priority, 0) + 1
        position = lane_order.position_of(arranged or {}, priority, path.name)
        quests.append(
            Quest(
                name=stem_of(path.name),
                priority=priority,
                state=Quest.State.ARRIVED,
                file=path.relative_to(world.queue).as_posix(),
                position=last[priority] if position is None else position,
                size_bytes=size_bytes,
                job=tickets.id_of(path),
                arrived_at=datetime.now(UTC),
            )
        )
    return Quest.objects.bulk_create(quests)


def begin(world: World, quest: Quest) -> Path:
    """Move a queued quest to `processing/`; from here on it is battling."""
    target = _move(world, quest, world.processing)
    _set_state(world, quest, Quest.State.BATTLING, target)
    return target


def complete(world: World, quest: Quest) -> None:
    """Safe to repeat, as are `fail` and `cancel`: a daemon killed half-way does it again."""
    _set_state(world, quest, Quest.State.COMPLETED, _move(world, quest, world.recently_completed))


def prune_forged(world: World, *, keep: int) -> int:
    """Delete the files of old completed quests that the guild forged or sparred for; their rows and battles stay.

    A quest of the player's is never deleted: only names and contents that the forge makes count.
    """
    forged = Quest.objects.filter(state=Quest.State.COMPLETED).exclude(skill="").exclude(file="").order_by("-id")
    doomed = [quest for quest in forged[keep:] if not is_own_name(quest.name)]
    for quest in doomed:
        delete_file(world, quest)
    return len(doomed)


def delete_file(world: World, quest: Quest) -> None:
    """And what lies beside it; the row stays. A folder that was taken for a quest goes only if it is empty."""
    path = path_of(world, quest)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    for gone in (*reports.companions(path), path):
        gone.unlink(missing_ok=True)
    quest.file = ""
    quest.save(update_fields=["file"])


def fail(
    world: World, quest: Quest, reason: str, *, state: Quest.State = Quest.State.FAILED, kind: str = "", line: int = 0
) -> None:
    """`line` and `kind` are what the gatekeepers blame."""
    source = path_of(world, quest)
    if os.path.lexists(source):  # else it was moved before, and its reason with it
        reports.write_reason(source, line=line or None, reason=reason, kind=kind, state=state.value)
    target = _move(world, quest, world.failed)
    quest.reason, quest.refusal = reason, kind
    _set_state(world, quest, state, target)


def cancel(world: World, quest: Quest, reason: str) -> None:
    fail(world, quest, reason, state=Quest.State.CANCELLED)


def put_back(world: World, quest: Quest) -> None:
    """From `processing/` into its lane again; it keeps its place in front of later quests."""
    _set_state(world, quest, Quest.State.QUEUED, _move(world, quest, world.lane(quest.priority)))


def change_lane(world: World, quest: Quest, priority: str) -> None:
    quest.priority = priority
    _set_state(world, quest, Quest.State(quest.state), _move(world, quest, world.lane(priority)))


def look_again(world: World, quest: Quest) -> None:
    """Into its lane and before the gatekeepers, whatever they found before."""
    source = path_of(world, quest)
    if (asked := tickets.read(source)) and asked.cancelled:
        tickets.mark(source, asked, cancelled=False)
    for suffix in reports.FOUND:
        reports.companion(source, suffix).unlink(missing_ok=True)
    quest.reason = quest.refusal = ""
    _set_state(world, quest, Quest.State.ARRIVED, _move(world, quest, world.lane(quest.priority)))


def forget(quest: Quest, reason: str) -> None:
    """A quest whose file the player took away."""
    quest.state, quest.reason, quest.ended_at = Quest.State.CANCELLED, reason, datetime.now(UTC)
    quest.file = ""
    with transaction.atomic():
        quest.save(update_fields=["state", "reason", "ended_at", "file"])
        chronicle.say("quest_refused", f"{quest.name} was cancelled: {reason}", quest=quest.name, reason=reason)


def note_place(world: World, quest: Quest, path: Path, state: Quest.State) -> None:
    """Make the row say what the folder says."""
    _set_state(world, quest, state, path)


def path_of(world: World, quest: Quest) -> Path:
    return world.queue / quest.file


def tell_refusal(quest: Quest, *, line: int = 0) -> None:
    where = f"line {line}: " if line else ""
    message = f"{quest.name} was refused: {where}{quest.reason}"
    chronicle.say("quest_refused", message, quest=quest.name, id=quest.pk, line=line or None, reason=quest.reason)


def add_row(
    world: World,
    path: Path,
    report: Report | None,
    *,
    state: Quest.State,
    sha256: str = "",
    priority: str = Quest.Priority.NORMAL,
    reason: str = "",
    refusal: str = "",
) -> Quest:
    """A row for a file that lies at `path`; without a report little is known of it."""
    now = datetime.now(UTC)
    quest = Quest(
        name=stem_of(path.name), sha256=sha256, priority=priority, state=state, reason=reason, refusal=refusal,
        file=path.relative_to(world.queue).as_posix(), size_bytes=path.lstat().st_size, arrived_at=now,
        job=tickets.id_of(path),
        ended_at=now if state in (Quest.State.FAILED, Quest.State.CANCELLED) else None,
    )  # fmt: skip
    if report:
        take_over(quest, report)
    quest.save()
    return quest


def take_over(quest: Quest, report: Report) -> None:
    """What the row shows of a report; the caller saves it."""
    quest.sha256, quest.size_bytes = report.sha256, report.size_bytes
    quest.data_format = report.format[:40]
    quest.rows, quest.taken, quest.warned = report.rows, report.taken, report.warned_count
    quest.held_out = report.held_out
    quest.tokens, quest.trained_tokens, quest.steps = report.tokens, report.trained_tokens, report.steps
    quest.skill, quest.level = report.skill or "", report.level


def _set_state(world: World, quest: Quest, state: Quest.State, path: Path) -> None:
    quest.state = state
    quest.file = path.relative_to(world.queue).as_posix()
    quest.ended_at = None if state in (*WAITING, Quest.State.BATTLING) else datetime.now(UTC)
    quest.save(update_fields=["state", "file", "priority", "ended_at", "reason", "refusal"])


def _move(world: World, quest: Quest, folder: Path) -> Path:
    """Move what was found of the file, the file, then what was given with it; one that is gone was moved before its
    row could say so. A kill leaves what was given where the file comes back to; all else can be found again."""
    source = path_of(world, quest)
    if source.parent == folder:
        return source
    if not os.path.lexists(source):
        target = _moved_before(quest, folder, source.name)
        _move_companions(source, target, reports.GIVEN)
        return target
    target = free_name(folder, source.name)
    _move_companions(source, target, (*reports.FOUND, reports.OUTCOME))
    try:
        durable.move(source, target)
    except OSError:
        if os.path.lexists(source):
            _move_companions(target, source, (*reports.FOUND, reports.OUTCOME))
        raise
    _move_companions(source, target, reports.GIVEN)
    return target


def _move_companions(source: Path, target: Path, suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        beside = reports.companion(source, suffix)
        if beside.exists():
            os.replace(beside, reports.companion(target, suffix))


def _moved_before(quest: Quest, folder: Path, name: str) -> Path:
    """By content, among the files that belong to no other quest: a name that was taken got a number on the way."""
    others = Quest.objects.exclude(pk=quest.pk).filter(file__startswith=f"{folder.name}/")
    taken = set(others.values_list("file", flat=True))
    for path in sorted(folder.glob(f"{glob.escape(stem_of(name))}*")):
        known = f"{folder.name}/{path.name}" in taken
        if not known and is_quest_name(path.name) and _has_content(path, quest.sha256):
            return path
    return folder / name


def _has_content(path: Path, sha256: str) -> bool:
    try:
        return bool(sha256) and content_digest(path, INSPECTED) == sha256
    except UnreadableQuest:
        return False


def _plain(stem: str) -> str:
    """A name that the index can hold, that is no hidden file's, and that leaves room for what lies beside the quest."""
    text = os.fsencode(stem).decode("utf-8", "backslashreplace").lstrip(".") or "quest"
    return text.encode()[:LONGEST_STEM_BYTES].decode("utf-8", "ignore")


def _plain_name(name: str) -> tuple[str, str]:
    """Stem and suffix, the latter in small letters."""
    return _plain(stem_of(name)), suffix_of(name) or SUFFIXES[0]


def with_plain_name(path: Path) -> Path:
    """Renames where needed: a file put into a folder of the queue by hand may be called anything."""
    if "".join(_plain_name(path.name)) == path.name:
        return path
    target = free_name(path.parent, path.name)
    move_with_recipe(path, target)
    durable.sync_folder(target.parent)
    return target


def _unclaimed_name(lane: Path, name: str) -> Path:
    """A free name beside which nothing lies that was left behind, or is of a file that is on its way there; and that
    no row has, whose file was taken away and which would be taken for this one's."""
    target = free_name(lane, name)
    for number in itertools.count(2):
        row = Quest.objects.filter(state__in=WAITING, file=f"{lane.name}/{target.name}")
        is_given = any(os.path.lexists(reports.companion(target, suffix)) for suffix in reports.GIVEN)
        if not is_given and not row.exists():
            return target
        target = free_name(lane, f"{_plain(stem_of(name))}-{number}{suffix_of(name) or SUFFIXES[0]}")
    raise AssertionError("numbers never end")


_last_number: dict[tuple[Path, str], int] = {}
"""Where counting goes on among names that are taken: ten thousand of one name must not be counted through each time."""
_MOST_NUMBERS = 10_000


def free_name(folder: Path, name: str) -> Path:
    """A path in `folder` at which nothing lies: `name` made plain, and numbered where it is taken."""
    stem, suffix = _plain_name(name)
    plain = folder / f"{stem}{suffix}"
    if not os.path.lexists(plain):
        return plain
    if len(_last_number) > _MOST_NUMBERS:
        _last_number.clear()
    for number in itertools.count(_last_number.get((folder, stem), 2)):
        path = folder / f"{stem}-{number}{suffix}"
        if not os.path.lexists(path):
            _last_number[folder, stem] = number
            return path
    raise AssertionError("numbers never end")
