"""`manage.py tokens list|new|revoke`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from guild.management.tables import as_text
from realm.management.as_json import add_json, write_json
from realm.web import tokens as stored
from realm.web.tokens import BadTokens, KnownToken
from vault import tokens
from vault.errors import VaultError


class Command(BaseCommand):
    help = "Tokens for other machines and programs to reach this world; of each only the digest is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="every token, without its secret"))
        new = actions.add_parser("new", help="make one; its secret is shown this once")
        new.add_argument(
            "--purpose",
            required=True,
            choices=stored.PURPOSES,
            help="read: ask the vault's API; api: all of it; zone: move things between this vault and another machine; "
            "chat: ask the models that the oracle has loaded; oracle: load and unload them, too",
        )
        new.add_argument("--zone", default="", help="the only zone that it is for")
        new.add_argument("--days", type=float, help="how long it is good; without: until it is revoked")
        add_json(new)
        revoke = actions.add_parser("revoke", help="it opens nothing from now on")
        revoke.add_argument("token_id", help="as `list` shows it, such as rot_1a2b3c4d")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            if action == "list":
                self._list(as_json=options["json"])
            elif action == "new":
                self._new(options)
            else:
                revoked = tokens.revoke(settings.WORLD, options["token_id"], by="command line")
                self.stdout.write(f"{revoked.token_id} is revoked")
        except (VaultError, BadTokens, OSError) as error:
            raise CommandError(str(error)) from error

    def _list(self, *, as_json: bool) -> None:
        known = stored.of_world(settings.WORLD).list()
        if as_json:
            write_json(self.stdout, known)
            return
        table = Table("token", "purpose", "zone", "made", "expires", "last used", "state")
        now = datetime.now(UTC)
        for token in known:
            times = (token.created_at, token.expires_at, token.last_used_at)
            table.add_row(token.token_id, token.purpose, token.zone, *map(_spell, times), token.state(now))
        self.stdout.write(as_text(table) if known else "There is no token yet; `manage.py tokens new` makes one.")

    def _new(self, options: dict[str, Any]) -> None:
        issued = tokens.issue(
            settings.WORLD, purpose=options["purpose"], zone=options["zone"], days=options["days"], by="command line"
        )
        if options["json"]:
            write_json(self.stdout, {"secret": issued.secret, "token": issued.token})
            return
        self.stdout.write(issued.secret)
        self.stderr.write(f"This is shown once. It is {issued.token.token_id} for {_good_for(issued.token)}.")


def _good_for(token: KnownToken) -> str:
    until = f" until {_spell(token.expires_at)}" if token.expires_at else ""
    return f"{token.purpose}{f' with zone {token.zone}' if token.zone else ''}{until}"


def _spell(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "--"
