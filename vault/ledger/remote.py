"""The ledger of another machine, asked over HTTP: `RemoteLedgerClient("http://192.168.1.5:8767/api/ledger")`.

No Django. Nothing that is answered is taken on trust: bounded in bytes and time, read strictly.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from realm import strict
from realm.web import outbound
from vault.errors import Refused, Unreachable, VaultError
from vault.ledger.entries import LedgerEntry, read_record

ALL = 1_000_000
"""What is asked for where all are wanted."""
_SECONDS, _GLANCE_SECONDS = 30.0, 5.0
_LARGEST_BYTES = 256 * 2**20
_TRIES, _PAUSE_SECONDS = 3, 0.5
"""A server that is being started anew answers a moment later."""
_BUSY = frozenset({502, 503, 504})


class RemoteLedgerClient:
    """The same interface as a Ledger; entries' paths are those of the other machine.

    Methods raise Unreachable where it does not answer or not as a ledger does, and Refused where it lets nobody in.
    """

    def __init__(self, url: str, *, hero: str | None = None, token: str | None = None) -> None:
        """`url` is that of `GET /api/ledger`; `hero` None: the active one over there."""
        self.url = url.rstrip("/")
        self.hero = hero
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def is_available(self) -> bool:
        """Whether a ledger answers there now, and lets us in."""
        try:
            self._ask("", {"limit": "1"}, seconds=_GLANCE_SECONDS, tries=1)
        except VaultError:
            return False
        return True

    def get_latest(self) -> LedgerEntry | None:
        """The newest one of the active branch's line."""
        found = self._ask("/summary")
        latest = found.get("latest") if isinstance(found, dict) else None
        return self._entry(latest)

    def get_best(self, metric: str = "train_loss") -> LedgerEntry | None:
        """Raises ValueError for a metric that is not known there."""
        return self._entry(self._ask("/best", {"metric": metric}))

    def list_all(self, limit: int | None = 20) -> list[LedgerEntry]:
        """Of every branch, newest first."""
        found = self._ask("", {"limit": str(ALL if limit is None else limit)})
        records = found.get("checkpoints") if isinstance(found, dict) else None
        if not isinstance(records, list):
            raise Unreachable(f"{self.url} answers, but not with a list of checkpoints; is it a ledger?")
        return [self._read(value) for value in records]

    def get(self, step: int) -> LedgerEntry | None:
        return self._entry(self._ask(f"/{int(step)}"))

    def _entry(self, value: Any) -> LedgerEntry | None:
        return None if value is None else self._read(value)

    def _read(self, value: Any) -> LedgerEntry:
        try:
            return read_record(value, source=self.url)
        except strict.BadConfig as error:
            raise Unreachable(f"what is said there is no checkpoint of a ledger: {error}") from error

    def _ask(
        self, path: str, query: Mapping[str, str] | None = None, *, seconds: float = _SECONDS, tries: int = _TRIES
    ) -> Any:
        """The JSON that is answered; None for 404."""
        asked = {**(query or {}), **({"hero": self.hero} if self.hero else {})}
        address = f"{path}?{urlencode(asked)}" if asked else path
        for attempt in range(tries):
            last = attempt + 1 == tries
            try:
                reply = outbound.ask_once(
                    self.url, "GET", f"{self.url}{address}", seconds=seconds, largest_bytes=_LARGEST_BYTES,
                    headers=self._headers,
                )  # fmt: skip
            except outbound.FAILURES as error:
                if last or isinstance(error, outbound.OutboundError):
                    why = str(error) or type(error).__name__
                    raise Unreachable(f"the ledger at {self.url} does not answer: {why}") from error
            else:
                if reply.status not in _BUSY or last:
                    return self._understood(reply)
            time.sleep(_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _understood(self, reply: outbound.Reply) -> Any:
        if reply.status == 404:
            return None
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError):
            value = None
        said = value.get("error") if isinstance(value, dict) else None
        if reply.status in (400, 422):
            raise ValueError(strict.shown(said or f"{self.url} refuses the request"))
        if reply.status in (401, 403):
            raise Refused(f"{self.url} lets only those in who have a token: {strict.shown(said or reply.status)}")
        if reply.status != 200 or value is None:
            raise Unreachable(f"{self.url} answers with status {reply.status}, and not as a ledger does")
        return value
