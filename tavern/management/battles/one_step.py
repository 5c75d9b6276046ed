"""`manage.py battle step BATTLE STEP`: one step, shown or as JSON."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from arena.history import finding
from arena.preview.terminal import visible
from arena.reports.step_report import NoSuchStep, StepReport, step_report
from realm import strict
from realm.management.as_json import write_json


def show(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Raises CommandError, NoSuchBattle."""
    number = strict.whole_number(options["step"])
    if number is None:
        raise CommandError(f"{strict.shown(options['step'][:40])} is no step")
    try:
        report = step_report(settings.WORLD, finding.get(options["battle"]), number)
    except NoSuchStep as error:
        raise CommandError(str(error)) from error
    if options["json"]:
        write_json(stdout, report)
    else:
        _print(Console(file=stdout, highlight=False), report)  # type: ignore[arg-type]


def _print(console: Console, report: StepReport) -> None:
    console.print(f"step {report.step} of {report.hero}, {report.quest_step} of {escape(visible(report.quest))}")
    table = Table.grid(padding=(0, 2))
    for name, value in _figures(report):
        table.add_row(name, value)
    console.print(table)
    if report.rows is None:
        console.print("The battle wrote down no rows of its steps: `manage.py train --replay` measures them again.")
    else:
        console.print(f"{report.rows} rows; those that the hero knew least:")
        _print_rows(console, report)
    for moment in report.moments:
        console.print(escape(visible(moment.message)))


def _figures(report: StepReport) -> list[tuple[str, str]]:
    mean = "--" if report.mean is None else f"{report.mean:.4f} ± {report.spread or 0:.4f} ({report.hit})"
    figures: list[tuple[str, Any, str]] = [
        ("loss", report.loss, ".4f"), ("learning rate", report.learning_rate, ".3g"),
        ("gradient norm", report.grad_norm, ".4g"), ("seconds", report.step_seconds, ".3f"),
        ("tokens", report.tokens, ","), ("trained tokens", report.trained_tokens, ","),
    ]  # fmt: skip
    told = [(name, "--" if value is None else format(value, form)) for name, value, form in figures]
    return [told[0], ("running mean", mean), *told[1:]]


def _print_rows(console: Console, report: StepReport) -> None:
    table = Table("line", "loss", Column("row", overflow="fold"))
    for row in report.worst_rows:
        line = f"{row.line}{' rehearsed' if row.rehearsed else ''}"
        table.add_row(line, f"{row.loss:.4f}", escape(visible(row.text)))
    console.print(table)
