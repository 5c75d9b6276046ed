"""`manage.py branch_officer`, as `manage.py help` lists it: manage.py hands over before there are any settings."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from vault.officer.__main__ import main


class Command(BaseCommand):
    help = "Tell other machines what lies in a folder of this one; send it to them and receive more."

    def run_from_argv(self, argv: list[str]) -> None:
        sys.exit(main(argv[2:]))

    def handle(self, *args: Any, **options: Any) -> None:
        """From other code, whose arguments are those of a command line."""
        sys.exit(main(list(args)))
