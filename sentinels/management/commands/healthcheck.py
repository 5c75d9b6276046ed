"""`manage.py healthcheck`: the name of `patrol` in earlier releases."""

from __future__ import annotations

from sentinels.management.commands import patrol


class Command(patrol.Command):
    help = f"As patrol. {patrol.Command.help}"
