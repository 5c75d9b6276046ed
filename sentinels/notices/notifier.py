"""Follows the chronicle and sends what the player wants to hear; nothing waits for it, and it fails nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from django.db.models import QuerySet

from arena.models import ChronicleEntry
from realm import config
from realm.config import RealmConfig
from realm.disk import mailbox
from realm.disk.stamps import Stamp, stamp
from realm.strict import BadConfig
from realm.world import World
from sentinels.notices import addresses, hours, outbox, sending, texts
from sentinels.notices.errors import NoticeError
from sentinels.notices.events import EVENTS, OF_KIND
from sentinels.notices.outbox import Box, Cursor, Outbox, Outcome, Waiting
from sentinels.notices.own_ports import own_ports
from sentinels.notices.rules import DestinationRules, Rules, read_rules
from sentinels.notices.sending import Answer, Order, Send
from sentinels.notices.texts import Message

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
MOST_AT_ONCE = 1000
"""Entries that are read in one look."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30.0, 3600.0
MOST_TRIES = 8
"""In about three hours; then what waits is given up, and the next event is tried anew."""
NO_ADDRESS = "there is no address yet: `manage.py notices add {name}`"
_NEVER = threading.Event()


class Notifier:
    """Of one world; only one process at a time has one."""

    def __init__(
        self,
        world: World,
        *,
        now: Callable[[], float] = time.time,
        send: Send = sending.send,
        ending: threading.Event = _NEVER,
    ) -> None:
        self._world, self._now, self._send, self._ending = world, now, send, ending
        self._stamps: tuple[Stamp | None, ...] = ()
        self._config, self._rules, self._addresses = RealmConfig(), Rules(), dict[str, str]()
        self._outbox: Outbox | None = None
        self._is_unwritten = False

    def step(self) -> None:
        """One look. Raises OSError, DatabaseError: the next look tries again."""
        self._look_at_settings()
        wanted = {name: rules for name, rules in self._rules.destinations.items() if rules.enabled}
        if not wanted and not (self._world.status / outbox.FILE).exists():
            return
        self._take_in(wanted)
        for name, rules in wanted.items():
            if self._ending.is_set():
                return
            self._deliver(name, rules)

    def _look_at_settings(self) -> None:
        """Again whenever one of the files is another one."""
        files = (config.DEFAULTS_FILE, config.config_file(self._world), self._world.secrets / addresses.FILE)
        stamps = tuple(map(stamp, files))
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            found = config.load(self._world)
            self._rules, self._addresses = read_rules(found), addresses.read(self._world)
            self._config = found
        except (BadConfig, NoticeError) as error:
            log.warning("notices go on by what was set before: %s", error)

    def _take_in(self, wanted: dict[str, DestinationRules]) -> None:
        """What is new, for each destination that wants it; where there is none, what comes later begins anew."""
        before = self._state()
        boxes = {name: box for name, box in before.boxes.items() if name in wanted}
        cursor, entries = self._fresh(before.cursor) if wanted else (None, [])
        for name, rules in wanted.items():
            fresh = tuple(_waiting(entry) for entry in entries if OF_KIND.get(entry.kind) in rules.events)
            boxes[name] = outbox.put(boxes.get(name, Box()), fresh)
        self._keep(replace(before, cursor=cursor, boxes=boxes))

    def _fresh(self, cursor: Cursor | None) -> tuple[Cursor, list[ChronicleEntry]]:
        """What was said behind the cursor, and where that ends; nothing of what was said before the first look."""
        newest = ChronicleEntry.objects.order_by("-id").first()
        if cursor is None:
            return _cursor_at(newest) if newest else Cursor(time=self._now()), []
        found: QuerySet[ChronicleEntry] = ChronicleEntry.objects.filter(id__gt=cursor.entry)
        if cursor.entry and not _is_known(cursor):  # a database made anew tells the past again
            found = ChronicleEntry.objects.filter(time__gt=datetime.fromtimestamp(cursor.time, UTC))
        entries = list(found.order_by("id")[:MOST_AT_ONCE])
        return _cursor_at(entries[-1]) if entries else cursor, entries

    def _deliver(self, name: str, rules: DestinationRules) -> None:
        now, box = self._now(), self._state().boxes[name]
        box = self._held(box, rules, now)
        due = self._due(box, rules, now)
        rests = box.failures and now < box.next_try <= now + LONGEST_WAIT_SECONDS  # not after a clock was set back
        if not due or rests:
            self._put(name, box)
            return
        message = texts.compose(
            self._config.hero, due, left_out=box.left_out, origin=next(iter(self._config.public_origins), "")
        )
        answer = self._told(name, message)
        failures = 0 if answer.ok else box.failures + 1
        gave_up = failures >= MOST_TRIES
        outcome = Outcome(
            time=now, destination=name, ok=answer.ok, title=message.title, events=len(due), words=answer.words,
            gave_up=gave_up,
        )  # fmt: skip
        if not answer.ok:
            log.warning("the notice to %s was not sent: %s", name, answer.words)
        if answer.ok or gave_up:
            rest = tuple(event for event in box.waiting if event not in due)
            box = Box(waiting=rest)
        else:
            wait = min(FIRST_WAIT_SECONDS * 4 ** (failures - 1), LONGEST_WAIT_SECONDS)
            box = replace(box, failures=failures, next_try=now + wait)
        before = self._state()
        self._keep(replace(before, boxes=before.boxes | {name: box}, log=outbox.log(before, outcome)))

    def _told(self, name: str, message: Message) -> Answer:
        address = self._addresses.get(name)
        if address is None:
            return Answer(ok=False, words=NO_ADDRESS.format(name=name))
        ports = own_ports(self._config)
        return self._send(Order(address=address, title=message.title, body=message.body, own_ports=ports))

    def _held(self, box: Box, rules: DestinationRules, now: float) -> Box:
        """What waits now because of quiet hours is remembered as such."""
        if not hours.is_quiet(datetime.fromtimestamp(now, UTC), rules.quiet, self._rules.time_zone):
            return box
        return replace(box, waiting=tuple(replace(event, was_held=True) for event in box.waiting))

    def _due(self, box: Box, rules: DestinationRules, now: float) -> tuple[Waiting, ...]:
        moment, zone = datetime.fromtimestamp(now, UTC), self._rules.time_zone
        if not box.waiting:
            return ()
        oldest = datetime.fromtimestamp(min(box.waiting[0].time, now), UTC)
        if not hours.is_quiet(moment, rules.quiet, zone) and hours.is_digest_due(
            oldest, moment, rules.digest, rules.digest_at, zone
        ):
            return box.waiting
        urgent = rules.urgent_breaks_quiet
        return tuple(event for event in box.waiting if urgent and EVENTS[event.event].is_urgent)

    def _put(self, name: str, box: Box) -> None:
        self._keep(replace(self._state(), boxes=self._state().boxes | {name: box}))

    def _state(self) -> Outbox:
        """Read once; a file that cannot be read is set aside, and what comes next is told."""
        if self._outbox is None:
            try:
                self._outbox = outbox.read(self._world)
            except mailbox.Damaged as error:
                log.warning("%s", mailbox.set_aside(self._world.status / outbox.FILE, str(error)))
                self._outbox = Outbox()
        return self._outbox

    def _keep(self, state: Outbox) -> None:
        """On a full disk in memory alone, so that nothing is sent again; it is written as soon as it can be."""
        if state == self._outbox and not self._is_unwritten:
            return
        self._outbox = state
        try:
            outbox.write(self._world, state)
            self._is_unwritten = False
        except OSError as error:
            if not self._is_unwritten:
                log.warning("what was sent cannot be noted: %s", error)
            self._is_unwritten = True


def _waiting(entry: ChronicleEntry) -> Waiting:
    return Waiting(entry=entry.pk, event=OF_KIND[entry.kind], time=entry.time.timestamp(), message=entry.message)


def _cursor_at(entry: ChronicleEntry) -> Cursor:
    time_said = entry.time.timestamp()
    return Cursor(entry=entry.pk, source=entry.source, source_seq=entry.source_seq, time=time_said)


def _is_known(cursor: Cursor) -> bool:
    same = {"pk": cursor.entry, "source": cursor.source, "source_seq": cursor.source_seq}
    return ChronicleEntry.objects.filter(**same).exists()
