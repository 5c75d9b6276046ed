"""`manage.py help`: the realm's own commands by place, each with what it does in a line, and Django's behind them."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.core.management.color import color_style

from realm.world import CHECKOUT

PLACES = ("arena", "guild", "vault", "watchtower", "sentinels", "tavern", "realm")
"""In the order in which one meets them."""
MOST_COLUMNS = 100
_INDENT, _GAP = 2, 2


class RealmCommandLine(ManagementUtility):
    """Django's command line, whose list of commands begins with those of the realm."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        """The realm's own go without Django's checks: these load every page, 30 MB that a daemon would keep."""
        command: BaseCommand = super().fetch_command(subcommand)
        if any(subcommand in names for names in own_commands().values()):
            command.requires_system_checks = []
        return command

    def main_help_text(self, commands_only: bool = False) -> str:
        if commands_only:
            return super().main_help_text(commands_only=True)
        width = min(MOST_COLUMNS, shutil.get_terminal_size().columns)
        return "\n".join(_lines(self.prog_name, width))


def execute_from_command_line(argv: list[str]) -> None:
    RealmCommandLine(argv).execute()


def own_commands() -> dict[str, list[str]]:
    """The realm's own commands by place, places and commands in the order of the list."""
    found: dict[str, list[str]] = {}
    for name, app in sorted(get_commands().items()):
        if isinstance(app, str) and (CHECKOUT / app).is_dir():
            found.setdefault(app, []).append(name)
    return {place: found.pop(place) for place in PLACES if place in found} | found


def summary(app: str, command: str) -> str:
    """What a command does: its help up to the first sentence's or clause's end."""
    text = " ".join(load_command_class(app, command).help.split())
    for end in ("; ", ". "):
        text = text.partition(end)[0]
    return text.removesuffix(".")


def _lines(program: str, width: int) -> Iterator[str]:
    style, own = color_style(), own_commands()
    column = _INDENT + _GAP + max(len(name) for names in own.values() for name in names)
    width = max(width, 20)
    yield from textwrap.wrap(f"{program} COMMAND [OPTIONS]; `{program} help COMMAND` says more of one.", width)
    for place, names in own.items():
        yield ""
        yield style.NOTICE(f"[{place}]")
        for name in names:
            text, beside = summary(place, name), column + 20 <= width
            yield from textwrap.wrap(
                f"{' ' * _INDENT}{name:<{column - _INDENT}}{text}" if beside else f"{' ' * _INDENT}{name}: {text}",
                width,
                subsequent_indent=" " * (column if beside else 2 * _INDENT),
                drop_whitespace=True,
            )
    others = sorted(set(get_commands()) - {name for names in own.values() for name in names})
    yield ""
    yield style.NOTICE("[Django's]")
    margin = " " * _INDENT
    yield from textwrap.wrap(
        " ".join(others), width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )
