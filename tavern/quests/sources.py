"""The pages of the data sources, made ready for a browser: a page of files at a time, each with what is known of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.core.paginator import Page, Paginator

from arena import source_orders
from arena.gate.findings import Findings
from arena.gate.report import Report
from arena.models import Quest
from arena.preview import rows as preview
from arena.preview.mirror import Glass
from arena.reports import training_sources
from arena.reports.training_sources import Source
from arena.sources import folders
from arena.sources import records as source_records
from arena.sources.folders import SourceFile
from arena.sources.records import Found, Records
from realm.world import World
from tavern.quests import token_mirror
from tavern.quests.gate_panel import Looking, looking_at
from tavern.quests.token_mirror import RowPage, Token

PER_PAGE = 50
LOOK_FILE = "look.json"
ROWS_A_PAGE = 5
LAST_LINE = 1000
"""Lines behind it are reached one by one only: without an index a file is read from its beginning each time."""
MOST_PIECES = 400
"""Of each row where several are shown."""
ICONS = {
    "inbox": "knight-banner", "queue": "scroll-unfurled", "completed": "trophy-cup", "skills": "spell-book",
    "folder": "locked-chest",
}  # fmt: skip
TITLES = {"inbox": "Inbox", "queue": "Queue", "completed": "Completed", "skills": "Skills"}
SAID = {
    "inbox": "Files on their way in. They are taken by themselves as soon as they are whole.",
    "queue": "Quests that wait, are held, stand at the gate or are being fought.",
    "completed": "Quests that were won; each can be fought again.",
    "skills": "Generators of problems without end. The guild forges quests from them when nothing else waits.",
    "folder": "",
}


@dataclass(frozen=True, kw_only=True)
class SourceCard:
    source: Source
    title: str
    icon: str
    said: str
    counts: list[tuple[str, int, str]]
    """What is known of the files: word, how many, tone."""


@dataclass(frozen=True, kw_only=True)
class FileLine:
    key: str
    """Of the elements that are drawn anew while the gatekeepers look."""
    file: SourceFile
    found: Found
    asked: bool
    """The gatekeepers are asked to look and have not yet."""

    @property
    def looked_at(self) -> datetime:
        return datetime.fromtimestamp(self.found.looked_at, UTC)

    @property
    def tone(self) -> str:
        return "plain" if self.found.stale else TONES[self.found.verdict]


TONES = {"unseen": "plain", "fine": "moss", "flawed": "gold", "refused": "blood"}
WORDS = {"fine": "fine", "flawed": "flawed", "refused": "refused", "unseen": "never looked at"}


@dataclass(frozen=True, kw_only=True)
class FolderPage:
    card: SourceCard
    page: Page[SourceFile]
    lines: list[FileLine]
    query: str
    pending: int
    """Files of this source that are yet to be looked at."""
    looking: Looking | None

    @property
    def drawn_anew(self) -> str:
        return ",".join(f"#state-{line.key}" for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    row: RowPage
    tokens: list[Token]

    @property
    def cut(self) -> bool:
        return len(self.tokens) < len(self.row.tokens)


@dataclass(frozen=True, kw_only=True)
class PreviewPage:
    line: FileLine
    report: Report | None
    rows: list[ShownRow]
    before: int | None = None
    after: int | None = None


def cards(world: World) -> list[SourceCard]:
    """Raises sources.BadSource for a registry that is damaged."""
    return [card_of(source) for source in training_sources.all_sources(world)]


def card_of(source: Source) -> SourceCard:
    counts = [(WORDS[key], (source.verdicts or {}).get(key, 0), TONES[key]) for key in WORDS]  # type: ignore[call-overload]
    if source.stale:
        counts.append(("changed since", source.stale, "gold"))
    return SourceCard(
        source=source,
        title=TITLES.get(source.name, source.name),
        icon=ICONS[source.kind],
        said=SAID[source.kind],
        counts=[(word, count, tone) for word, count, tone in counts if count],
    )


def folder_page(world: World, name: str, *, page: str | None, query: str) -> FolderPage:
    """Raises sources.BadSource for a name that is not registered."""
    files = training_sources.files_of(world, name)
    records = Records(world)
    source = training_sources.of_files(world, name, files, records)
    wanted = [file for file in files.found if query.lower() in file.name.lower()]
    asked = source_orders.asked(world, name)
    shown = Paginator(wanted, PER_PAGE).get_page(page)
    return FolderPage(
        card=card_of(source),
        page=shown,
        lines=[_line(records, file, asked) for file in shown.object_list],
        query=query,
        pending=sum(_waits(records, file, asked) for file in files.found if file.name in asked),
        looking=looking_at(world.status / LOOK_FILE) if asked else None,
    )


def _line(records: Records, file: SourceFile, asked: dict[str, str]) -> FileLine:
    key = hashlib.sha256(file.name.encode()).hexdigest()[:12]
    return FileLine(key=key, file=file, found=records.of(file), asked=_waits(records, file, asked))


def _waits(records: Records, file: SourceFile, asked: dict[str, str]) -> bool:
    return file.name in asked and records.of(file).order != asked[file.name]


def quest_page(world: World, name: str, *, page: str | None) -> tuple[SourceCard, Page[Quest]]:
    """Of `queue` or `completed`."""
    (source,) = [found for found in training_sources.built_in(world) if found.name == name]
    quests = training_sources.quests_of(source.kind)
    return card_of(source), Paginator(quests, PER_PAGE).get_page(page)


def preview_page(world: World, folder: Path, name: str, *, first: int, through: Glass) -> PreviewPage:
    """The first rows from line `first` on as the hero will see them.

    Raises sources.BadSource for a name that is none, and formats.UnreadableQuest.
    """
    file = folders.find(folder, name)
    report = report_of(world, file)
    findings = Findings(report=report)
    listed = preview.list_rows(file.path, first, ROWS_A_PAGE + 1, specs=through.specs, findings=findings)
    rows = [_shown(token_mirror.read_row(file.path, row.line, through, findings)) for row in listed[:ROWS_A_PAGE]]
    after = listed[ROWS_A_PAGE].line if len(listed) > ROWS_A_PAGE else None
    return PreviewPage(
        line=_line(Records(world), file, {}),
        report=report,
        rows=rows,
        before=max(1, first - ROWS_A_PAGE) if first > 1 else None,
        after=after if after is not None and after <= LAST_LINE else None,
    )


def report_of(world: World, file: SourceFile) -> Report | None:
    """What the gatekeepers found; None for a file that they found unreadable, or that has changed since."""
    record = source_records.read(world, file.path)
    return record.report if record and tuple(record.state) == file.state else None


def bare_page(world: World, folder: Path, name: str) -> PreviewPage:
    """Of a file whose rows cannot be shown. Raises sources.BadSource."""
    file = folders.find(folder, name)
    return PreviewPage(line=_line(Records(world), file, {}), report=report_of(world, file), rows=[])


def _shown(page: RowPage) -> ShownRow:
    return ShownRow(row=page, tokens=page.tokens[:MOST_PIECES])
