"""`manage.py train --replay STEP`: a step that the trainer's own program does again, shown or as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from arena import steps
from arena.daemon import battles
from arena.management.foreground.signals import heeded
from arena.models import Battle
from arena.preview.terminal import visible
from arena.queue import files as queue
from realm.management.as_json import write_json
from realm.processes.launcher import without_launcher
from realm.world import CHECKOUT, World

MOST_TENSORS = 40
_TEXT = 400
MOST_VALUES = 16


def show(stdout: OutputWrapper, world: World, options: dict[str, Any]) -> None:
    """Raises CommandError."""
    battle = _battle(world, options["replay"], options["battle"])
    found = _replayed(world, battle, options)
    if options["json"]:
        write_json(stdout, found)
        return
    console = Console(file=stdout, highlight=False)  # type: ignore[arg-type]
    _print(console, found)


def _battle(world: World, step: int, battle_id: str | None) -> Battle:
    if battle_id is not None:
        battle = Battle.objects.filter(battle_id=battle_id).select_related("quest").first()
        if battle is None:
            raise CommandError(f"there is no battle {battle_id!r}")
        return battle
    for battle in Battle.objects.select_related("quest").order_by("-id"):
        path = steps.path_of(world, battle.battle_id)
        records = steps.read(path, 0, steps.count(path))
        if (records["step"] == step).any():
            return battle
    raise CommandError(f"no battle of this world holds step {step}")


def _replayed(world: World, battle: Battle, options: dict[str, Any]) -> dict[str, Any]:
    quest = battle.quest
    path = queue.path_of(world, quest) if quest.file else None
    if path is None or not path.is_file():
        raise CommandError(f"the file of {quest.name} is gone, so its rows cannot be trained on again")
    command = [
        sys.executable, "-m", "arena.training", "--replay", str(battles.order_path(world, battle)),
        "--step", str(options["replay"]), "--quest-file", str(path),
    ]  # fmt: skip
    for name in ("tensor", "row"):
        if options[name] is not None:
            command += [f"--{name}", str(options[name])]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=without_launcher(os.environ), text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child, heeded(child.terminate, child.kill) as received:  # fmt: skip
        out, errors = child.communicate()
    if received.number is not None:
        sys.exit(received.exit_code)
    if child.returncode:
        raise CommandError((errors.strip().splitlines() or [f"the trainer ended with {child.returncode}"])[-1])
    value: dict[str, Any] = json.loads(out)
    return value


def _print(console: Console, found: dict[str, Any]) -> None:
    recorded, replayed = found["recorded"], found["replayed"]
    begun = found["checkpoint"] or "the base model"
    between = f", after {found['steps_between']} steps before it" if found["steps_between"] else ""
    threads = "1 thread" if found["threads"] == 1 else f"{found['threads']} threads"
    console.print(f"step {found['step']} of the hero, {found['quest_step']} of {escape(visible(found['quest']))}")
    console.print(f"trained again from {begun}{between}, on {found['device']} with {threads}")
    table = Table("", "recorded", "again")
    for name in ("loss", "grad_norm", "learning_rate", "tokens", "trained_tokens"):
        table.add_row(name.replace("_", " "), f"{recorded[name]:.9g}", f"{replayed[name]:.9g}")
    console.print(table)
    console.print(
        "Loss and gradient norm are the recorded ones, bit for bit." if found["identical"] else
        "Loss or gradient norm is not the recorded one: the battle ran with other libraries, threads or another device."
    )  # fmt: skip
    _print_rows(console, found["rows"])
    _print_tensors(console, found["tensors"])
    if found["inspected"]:
        _print_values(console, found["inspected"])


def _print_rows(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table("line", "loss", "trained", Column("row", overflow="fold"))
    for row in sorted(rows, key=lambda row: -row["loss"]):
        line = f"{row['line']}{' rehearsed' if row['rehearsed'] else ''}"
        text = visible(" ".join(row["text"].split()))
        shown = text if len(text) <= _TEXT else f"{text[:_TEXT]} …"
        table.add_row(line, f"{row['loss']:.4f}", f"{row['trained_tokens']}/{row['tokens']}", escape(shown))
    console.print(table)


def _print_tensors(console: Console, tensors: list[dict[str, Any]]) -> None:
    """Those that moved most, by their largest change."""
    table = Table(Column("tensor", overflow="fold"), "shape", "norm before", "after", "largest change")
    for one in sorted(tensors, key=lambda one: -one["largest_change"])[:MOST_TENSORS]:
        table.add_row(
            escape(one["name"]), "×".join(map(str, one["shape"])), f"{one['norm_before']:.6g}",
            f"{one['norm_after']:.6g}", f"{one['largest_change']:.3g}",
        )  # fmt: skip
    console.print(table)
    if len(tensors) > MOST_TENSORS:
        console.print(f"and {len(tensors) - MOST_TENSORS} tensors that moved less; --json has all")


def _print_values(console: Console, inspected: dict[str, Any]) -> None:
    where = "" if inspected["row"] is None else f", row {inspected['row']}"
    table = Table("#", "before", "after", "change", title=escape(f"{inspected['name']}{where}"))
    pairs = list(zip(inspected["before"], inspected["after"], strict=True))
    for number, (before, after) in enumerate(pairs[:MOST_VALUES]):
        table.add_row(str(number), f"{before:.8g}", f"{after:.8g}", f"{after - before:+.3g}")
    console.print(table)
    if len(pairs) > MOST_VALUES:
        console.print(f"and {len(pairs) - MOST_VALUES} more; --json has up to 4096")
