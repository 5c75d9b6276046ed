"""`manage.py machines`: what every machine does, what it did, what training has cost in energy."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from realm.hosts import UnknownHost
from realm.machine.machine import Gpu
from realm.management.as_json import add_json, write_json
from watchtower import machines
from watchtower.machines import energy
from watchtower.machines.energy import Energy
from watchtower.machines.selectors import HostMachine

UNKNOWN = "–"
WIDE = 160
_HISTORY = {"cpu_percent": "CPU %", "memory_used_bytes": "memory GB", "temperature_celsius": "°C"}
_ROWS = 24


class Command(BaseCommand):
    help = "The machines: processors, memory, disk, GPUs, here and on the hosts of hosts.yaml; energy of battles."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--history", action="store_true", help="the last day of one machine")
        what.add_argument("--energy", action="store_true", help="watt-hours of battles and of levels won")
        parser.add_argument("--host", default="", help="an id of hosts.yaml (default: all; of history, this machine)")
        parser.add_argument("--hours", type=float, default=24.0, help="of history, at most 24")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["energy"]:
            self._energy(as_json=options["json"])
        elif options["history"]:
            self._history(options["host"], options["hours"], as_json=options["json"])
        else:
            self._now(options["host"], as_json=options["json"])

    def _now(self, host: str, *, as_json: bool) -> None:
        found = machines.now(settings.WORLD, settings.REALM)
        chosen = [one for one in found if not host or host == one.host]
        if not chosen:
            raise CommandError(
                f"There is no host {host!r}. Known: {', '.join(dict.fromkeys(one.host for one in found))}."
            )
        if as_json:
            write_json(self.stdout, chosen)
        else:
            self._print(_table_of(chosen))

    def _history(self, host: str, hours: float, *, as_json: bool) -> None:
        try:
            past = machines.history(settings.WORLD, host, hours, points=720 if as_json else _ROWS)
        except UnknownHost as error:
            raise CommandError(str(error)) from error
        if as_json:
            write_json(self.stdout, past)
            return
        table = Table("since", *_HISTORY.values(), *(f"{gpu.name or 'GPU'} {gpu.index} %" for gpu in past.gpus))
        for at, time in enumerate(past.times):
            figures = [past.series[name][at] for name in _HISTORY]
            figures[1] = None if figures[1] is None else figures[1] / 1e9
            figures += [gpu.series["use_percent"][at] for gpu in past.gpus]
            table.add_row(_clock(time), *(_number(figure, 1) for figure in figures))
        self._print(table)

    def _energy(self, *, as_json: bool) -> None:
        world, config = settings.WORLD, settings.REALM
        battles, levels = energy.battles(world, config), energy.levels(world, config)
        if as_json:
            write_json(self.stdout, {"price_per_kwh": config.price_per_kwh, "battles": battles, "levels": levels})
            return
        table = Table("battle or level", "Wh", "price", "measured")
        for battle in battles:
            table.add_row(escape(battle.quest), *_of_energy(battle.energy))
        for level in levels:
            table.add_row(f"{escape(level.name)} level {level.level}", *_of_energy(level.energy))
        self._print(table)

    def _print(self, table: Table) -> None:
        Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def _table_of(found: list[HostMachine]) -> Table:
    table = Table("host", "CPU", "memory", "disk free", "temperature", "GPUs", "")
    for host in found:
        told = host.machine
        if told is None:
            table.add_row(escape(host.host), *[UNKNOWN] * 5, escape(host.trouble))
            continue
        gpus = UNKNOWN if told.gpus is None else "\n".join(map(_of_gpu, told.gpus)) or "none"
        table.add_row(
            escape(host.host), _number(told.cpu_percent, 0, " %"),
            f"{_gb(told.memory_used_bytes)} of {_gb(told.memory_total_bytes)} GB", f"{_gb(told.disk_free_bytes)} GB",
            _number(told.temperature_celsius, 0, " °C"), gpus, escape(host.trouble),
        )  # fmt: skip
    return table


def _of_gpu(gpu: Gpu) -> str:
    parts = (
        _number(gpu.use_percent, 0, " %"), f"{_gb(gpu.memory_used_bytes)} of {_gb(gpu.memory_total_bytes)} GB",
        _number(gpu.temperature_celsius, 0, " °C"), _number(gpu.power_watts, 0, " W"), *(gpu.throttled_by or ()),
    )  # fmt: skip
    return escape(f"{gpu.name or f'GPU {gpu.index}'}: {', '.join(parts)}")


def _of_energy(told: Energy) -> tuple[str, str, str]:
    share = UNKNOWN if told.covered is None else f"{told.covered:.0%} of {told.training_seconds:.0f} s"
    return _number(told.watt_hours, 2), _number(told.price, 4), share


def _clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time):%d %b %H:%M}"


def _gb(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value / 1e9:.1f}"


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}{unit}"
