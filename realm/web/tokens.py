"""Tokens that let other machines and programs in: of each only the digest is kept, in one file of its owner's.

256 random bits need no slow hash. No Django: a branch officer keeps its own file in its base folder.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from realm import strict
from realm.disk import durable, locks, mailbox
from realm.strict import Range
from realm.world import World

FILE = "tokens.json"
PREFIX = "rot_"
READ, API, ZONE = "read", "api", "zone"
CHAT, ORACLE = "chat", "oracle"
OF_VAULT = (READ, API, ZONE)
"""What is asked of the vault's API without changing anything; all of that API; the vault of another machine."""
OF_ORACLE = (CHAT, ORACLE)
"""What is asked of models that the inference host has loaded; all of that host, loading and unloading too."""
PURPOSES = (*OF_VAULT, *OF_ORACLE)
LONGEST_DAYS = 36_500
_PERMIT = {READ: (READ, API), API: (API,), ZONE: (ZONE,), CHAT: OF_ORACLE, ORACLE: (ORACLE,)}
"""By what is done, the purposes that are good for it."""
_SECRET_BYTES = 32
_ID_LETTERS = 8
_LONGEST_SECRET = 100
_FORMAT_VERSION = 1
_LARGEST_BYTES = 4 * 1024**2
_USE_SECONDS = 60.0
"""A token that is used all the time is written down no oftener."""


class BadTokens(Exception):
    """One sentence: the file cannot be read, or what was asked of it cannot be."""


@dataclass(frozen=True, kw_only=True)
class KnownToken:
    token_id: str
    """The first characters of the secret, which may be shown."""
    purpose: str
    zone: str = ""
    """The only zone that it is for; empty: any."""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "valid"


@dataclass(frozen=True, kw_only=True)
class Issued:
    secret: str = field(repr=False)
    """Kept nowhere: to be shown once."""
    token: KnownToken


@dataclass(frozen=True, kw_only=True)
class _Entry:
    token_id: str
    sha256: str
    purpose: str
    zone: str = ""
    created_at: str
    expires_at: str | None = None
    last_used_at: str | None = None
    revoked_at: str | None = None

    def __post_init__(self) -> None:
        for name in ("created_at", "expires_at", "last_used_at", "revoked_at"):
            if getattr(self, name) is not None and datetime.fromisoformat(getattr(self, name)).tzinfo is None:
                raise ValueError(f"{name} has no offset")

    @property
    def known(self) -> KnownToken:
        told = asdict(self)
        del told["sha256"]
        for name in ("created_at", "expires_at", "last_used_at", "revoked_at"):
            told[name] = told[name] and datetime.fromisoformat(told[name])
        return KnownToken(**told)


@dataclass(frozen=True, kw_only=True)
class _File:
    format_version: Annotated[int, Range(_FORMAT_VERSION, _FORMAT_VERSION, "is not known")] = _FORMAT_VERSION
    tokens: tuple[_Entry, ...] = ()

    def __post_init__(self) -> None:
        strict.check_ranges(self)


def of_world(world: World) -> TokenStore:
    return TokenStore(world.secrets / FILE)


class TokenStore:
    """The tokens of one file, for as many processes as there are: each change is seen by all at their next check."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._now = path, now
        self._seen: tuple[tuple[int, int, int], tuple[_Entry, ...]] | None = None

    def issue(self, purpose: str, zone: str = "", days: float | None = None) -> Issued:
        """A new token that expires after `days`, or never. Raises BadTokens, OSError."""
        if purpose not in PURPOSES:
            raise BadTokens(f"purpose {strict.shown(purpose)} is not allowed; allowed are {', '.join(PURPOSES)}")
        if zone and purpose != ZONE:
            raise BadTokens(f"a token for {purpose} is for no zone alone; leave the zone out, or make one for {ZONE}")
        if days is not None and not 0 < days <= LONGEST_DAYS:
            raise BadTokens(f"days: {days} is not allowed; allowed is more than 0, up to {LONGEST_DAYS}")
        now = self._now()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(self._lock):
            entries = self._read()
            secret = _new_secret({entry.token_id for entry in entries})
            entry = _Entry(
                token_id=_id_of(secret),
                sha256=_digest(secret),
                purpose=purpose,
                zone=zone,
                created_at=_spell(now),
                expires_at=None if days is None else _spell(now + timedelta(days=days)),
            )
            self._write((*entries, entry))
        return Issued(secret=secret, token=entry.known)

    def check(self, secret: str, purpose: str, *, zone: str | None = None) -> KnownToken | None:
        """The token whose secret it is, if it is good for that now, and for `zone` where that is given; else None."""
        if not secret.isascii() or len(secret) > _LONGEST_SECRET:
            return None
        digest, found = _digest(secret), None
        try:
            entries = self._current()
        except (BadTokens, OSError):
            return None
        for entry in entries:  # all of them: how long it takes says nothing
            if hmac.compare_digest(entry.sha256.encode(), digest.encode()):
                found = entry.known
        if found is None or not self._is_good(found, purpose, zone):
            return None
        self._note_use(found)
        return found

    def revoke(self, token_id: str) -> KnownToken:
        """It is good for nothing from now on, in every process. Raises BadTokens, OSError."""
        with locks.held(self._lock):
            entries = self._read()
            mine = next((entry for entry in entries if entry.token_id == token_id), None)
            if mine is None:
                raise BadTokens(f"there is no token {strict.shown(token_id)}")
            revoked = replace(mine, revoked_at=mine.revoked_at or _spell(self._now()))
            self._write(tuple(revoked if entry is mine else entry for entry in entries))
        return revoked.known

    def list(self) -> list[KnownToken]:
        """In the order of making, those too that are good no more. Raises BadTokens, OSError."""
        return [entry.known for entry in self._read()]

    def has_valid(self, *purposes: str) -> bool:
        """Whether a request could be let in for one of these. Raises BadTokens, OSError."""
        return any(token.purpose in purposes and token.state(self._now()) == "valid" for token in self.list())

    @property
    def _lock(self) -> Path:
        return self._path.with_name(f"{self._path.name}.lock")

    def _is_good(self, token: KnownToken, purpose: str, zone: str | None) -> bool:
        return (
            token.purpose in _PERMIT[purpose]
            and token.state(self._now()) == "valid"
            and (zone is None or token.zone in ("", zone))
        )

    def _current(self) -> tuple[_Entry, ...]:
        """Read anew whenever the file is another one: each change replaces it."""
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return ()
        mark = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if self._seen is None or self._seen[0] != mark:
            self._seen = mark, self._read()
        return self._seen[1]

    def _read(self) -> tuple[_Entry, ...]:
        try:
            said = mailbox.read_json(self._path, largest_bytes=_LARGEST_BYTES)
            return strict.read(_File, said, source=str(self._path)).tokens
        except FileNotFoundError:
            return ()
        except strict.BadConfig as error:
            raise BadTokens(str(error)) from error
        except mailbox.Damaged as error:
            raise BadTokens(f"{self._path}: {error}") from error

    def _write(self, entries: tuple[_Entry, ...]) -> None:
        durable.write_json(self._path, asdict(_File(tokens=entries)), mode=0o600)

    def _note_use(self, token: KnownToken) -> None:
        """At most once a minute; who cannot write it down lets the request in all the same."""
        now = self._now()
        if token.last_used_at is not None and abs((now - token.last_used_at).total_seconds()) < _USE_SECONDS:
            return
        with suppress(OSError, BadTokens, locks.Taken), locks.held(self._lock, seconds=0.1):
            entries = self._read()
            used = (
                replace(entry, last_used_at=_spell(now)) if entry.token_id == token.token_id else entry
                for entry in entries
            )
            self._write(tuple(used))


def bearer(authorization: str) -> str:
    """The secret in the value of an Authorization header; empty where there is none."""
    scheme, _, secret = authorization.strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _new_secret(taken: set[str]) -> str:
    while True:
        letters = secrets.token_urlsafe(_SECRET_BYTES)
        if _id_of(PREFIX + letters) not in taken:
            return PREFIX + letters


def _id_of(secret: str) -> str:
    return secret[: len(PREFIX) + _ID_LETTERS]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _spell(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
