"""`manage.py branch_officer`: tells other machines what lies in a folder of this one, sends it and receives more.

It needs no world and no torch. Beyond loopback every request needs a token: make one with --new-token.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from realm.config import LOOPBACK
from realm.disk import locks
from realm.weaver import service_lock
from realm.web import serve
from realm.web.guard import Scope
from realm.web.serve import CannotServe
from realm.web.token_wall import TokenWall
from realm.web.tokens import FILE, READ, ZONE, BadTokens, TokenStore
from vault.officer.app import Officer
from vault.officer.protocol_door import ProtocolDoor
from vault.officer.shelf import ZONE_FOLDER

PORT = 8768
MOST_CONNECTIONS = 200
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if not _ZONE.fullmatch(asked.zone):
        parser.error("--zone: allowed are 1 to 40 letters, digits, '-' and '_', a letter or digit first")
    if not 1 <= asked.port <= 65535:
        parser.error(f"--port: {asked.port} is no port; allowed are 1 to 65535")
    base = Path(asked.base_dir).expanduser().resolve()
    try:
        if not base.is_dir():
            raise CannotServe(f"{base} is no folder")
        store = TokenStore(Path(asked.token_file).expanduser() if asked.token_file else base / ZONE_FOLDER / FILE)
        if asked.new_token:
            print(store.issue(ZONE, zone=asked.zone).secret)
            print("Shown once: put it into a file of the other machine's secrets/, see token_file.", file=sys.stderr)
            return 0
        _serve(asked, base, store)
    except (CannotServe, BadTokens, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _serve(asked: argparse.Namespace, base: Path, store: TokenStore) -> None:
    """Until it is told to end. Raises CannotServe, BadTokens, OSError."""
    needs_token = bool(asked.token_file) or asked.bind not in LOOPBACK or bool(store.list())
    if needs_token and not store.has_valid(ZONE, READ):
        raise CannotServe(f"no token is good for {asked.bind}: make one with --new-token, or listen on 127.0.0.1")
    (base / ZONE_FOLDER).mkdir(mode=0o700, exist_ok=True)
    try:
        with (
            locks.only_one(base / ZONE_FOLDER / "officer.lock"),
            serve.bind_port(asked.bind, asked.port, remedy="choose another with --port") as listening,
        ):
            officer = Officer(asked.zone, base)
            walled = TokenWall(
                ProtocolDoor(officer.application),
                store,
                purposes_of=_purposes_of,
                zone=asked.zone,
                required=needs_token,
                remedy="`manage.py branch_officer … --new-token`, on the zone's own machine, makes one",
            )
            print(f"The officer of zone {asked.zone} answers at {serve.url_of(asked.bind, asked.port)}", flush=True)
            try:
                serve.run(walled, listening, most_connections=MOST_CONNECTIONS, any_host=needs_token)
            finally:
                officer.close()
    except locks.Taken as taken:
        raise CannotServe(
            f"another branch officer serves {base} already: {service_lock.in_words(str(taken))}"
        ) from None


def _purposes_of(scope: Scope) -> tuple[str, ...]:
    return (ZONE, READ) if scope["method"] in ("GET", "HEAD") else (ZONE,)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="manage.py branch_officer", description=__doc__)
    parser.add_argument("--zone", required=True, metavar="NAME", help="what other machines call this one, such as 3090")
    parser.add_argument("--base-dir", required=True, metavar="DIR", help="what is told, sent and added to lies below")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="default: this machine alone")
    parser.add_argument("--token-file", metavar="FILE", help="digests of the tokens; default: DIR/.zone/tokens.json")
    parser.add_argument("--new-token", action="store_true", help="make a token, show it once and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
