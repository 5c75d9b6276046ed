"""`battle list`, `show`, `compare`, `efficiency` and `report`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arena.history import finding
from arena.history.finding import Search
from realm.disk import durable
from realm.management.as_json import write_json
from tavern import formatting
from tavern.battles import report as reports
from watchtower.battles import comparing, telling
from watchtower.battles.deeds import Deeds
from watchtower.battles.efficiency import Cost
from watchtower.battles.efficiency import efficiency as read_efficiency

WIDE = 200


def show_list(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises ValueError for a state that is none."""
    search = Search(
        text=options["search"] or "", state=options["state"] or "", skill=options["skill"] or "",
        tag=(options["tag"] or "").lstrip("#"), hero=options["hero"] or "",
    )  # fmt: skip
    found = finding.battles(search)
    told = telling.lines(settings.WORLD, list(found[: options["limit"]]))
    if options["json"]:
        write_json(stdout, told)
        return
    rows = [
        [
            one.id, one.title if one.title == one.quest else f"{one.title} ({one.quest})",
            "deleted" if one.deleted else one.state,
            *(
                [
                    formatting.whole(one.figures.steps), formatting.compact(one.figures.tokens),
                    formatting.duration(one.figures.active_seconds), formatting.loss(one.figures.train_loss),
                ]
                if one.figures
                else ["--"] * 4
            ),
            _levels(one.deeds), " ".join(f"#{tag}" for tag in one.tags),
        ]
        for one in told
    ]  # fmt: skip
    _write(stdout, ("battle", "quest", "state", "steps", "tokens", "time", "loss", "levels", "tags"), rows)
    total = found.count()
    if total > len(told):
        stdout.write(f"The newest {len(told)} of {total:,}; --limit shows more.")


def _levels(did: Deeds) -> str:
    return " ".join([*(f"+{level}" for level in did.won), *(f"-{level}" for level in did.lost)])


def show_one(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle."""
    told = telling.summary(settings.WORLD, finding.get(options["battle"]))
    if options["json"]:
        write_json(stdout, told)
        return
    line = told.battle
    stdout.write(f"battle   {line.id}{f': {line.label}' if line.label else ''}")
    stdout.write(f"quest    {line.quest}")
    stdout.write(f"verdict  {told.verdict}")
    stdout.write(f"began    from {told.began_from or 'the base model'}")
    if told.repeat_of:
        stdout.write(f"repeats  {told.repeat_of}")
    for change in told.other_than_shipped or ():
        stdout.write(f"recipe   {change.key} {change.before} → {change.after}")
    data = told.data
    stdout.write(f"rows     {data.taken:,} trained on, {data.held_out:,} held out, {data.refused:,} refused")
    for proof in told.proofs:
        stdout.write(f"{proof.what:8} {proof.said}")
    for fault in told.faults:
        stdout.write(f"fault    {fault}")
    if line.tags:
        stdout.write(f"tags     {' '.join(f'#{tag}' for tag in line.tags)}")
    if line.note:
        stdout.write(f"note     {line.note}")


def show_comparison(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises NoSuchBattle, CannotCompare."""
    found = comparing.compare(settings.WORLD, options["battles"])
    if options["json"]:
        write_json(stdout, telling.told(found))
        return
    stdout.write(found.verdict)
    rows = [[row.key, *row.values] for row in (found.recipe if options["all"] else found.differences)]
    for loss in found.losses:
        rows.append([f"val loss {loss.label}", *(formatting.loss(value) for value in loss.values)])
    rows.append(["levels", *(_levels(side.deeds) or "--" for side in found.sides)])
    rows.append(
        ["weights moved", *(formatting.percent(one.relative) if one and one.groups else "--" for one in found.moved)]
    )
    _write(stdout, ("", *found.titles), rows)


def show_efficiency(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    told = read_efficiency(settings.WORLD)
    if options["json"]:
        write_json(stdout, told)
        return
    if not told.battles:
        stdout.write("No step of a battle was measured yet.")
        return
    rows = [["all", *_cost(told.total)]]
    for what, costs in (("skill", told.skills), ("recipe", told.recipes), ("quest", told.quests)):
        rows += [[f"{what}: {cost.name}", *_cost(cost)] for cost in costs]
    _write(stdout, ("", "battles", "won", "lost", "tokens/level", "time/level", "energy/level"), rows)


def _cost(cost: Cost) -> list[str]:
    energy = cost.watt_hours_per_level
    return [
        str(cost.battles), str(cost.levels_won), str(cost.levels_lost), formatting.compact(cost.tokens_per_level),
        formatting.duration(cost.seconds_per_level), "--" if energy is None else f"{formatting.rate(energy)} Wh",
    ]  # fmt: skip


def write_report(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Of one battle, or of several beside each other. Raises NoSuchBattle, CannotCompare, CommandError."""
    ids: Sequence[str] = options["battles"]
    if len(ids) == 1:
        battle = finding.get(ids[0])
        text, name = reports.of_battle(settings.WORLD, battle), f"{battle.battle_id}.html"
    else:
        text, name = reports.of_comparison(comparing.compare(settings.WORLD, ids)), "battles-compared.html"
    target: Path = options["out"] or Path(name)
    try:
        durable.write_bytes(target.absolute(), text.encode())
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
    told = {"file": str(target.absolute()), "bytes": len(text.encode())}
    if options["json"]:
        write_json(stdout, told)
    else:
        stdout.write(f"{target}: {formatting.size(told['bytes'] if isinstance(told['bytes'], int) else None)}")


def _write(stdout: OutputWrapper, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*map(escape, row))
    # Piped into another program a table must not be cut to the width of a terminal that is not there.
    console = Console() if stdout.isatty() else Console(width=WIDE)
    with console.capture() as text:
        console.print(table)
    stdout.write(text.get())
