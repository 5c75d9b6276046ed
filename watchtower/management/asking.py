"""What is critical is asked about at the terminal, once; elsewhere it wants `--yes`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import CommandError, OutputWrapper

from watchtower.armory.changing import Unconfirmed

YES = "yes"
Done = TypeVar("Done")


def asked(out: OutputWrapper, options: dict[str, Any], act: Callable[[bool], Done]) -> Done:
    """What `act` returns, which is told whether the player is sure. Raises CommandError where nothing was changed."""
    try:
        return act(options["yes"])
    except Unconfirmed as error:
        if options.get("json") or not sys.stdin.isatty():
            raise CommandError(f"{error} Nothing was changed; with --yes it is.") from None
        out.write(str(error))
        if input(f"Type {YES} to change it: ").strip() != YES:
            raise CommandError("Nothing was changed.") from None
        return act(True)
