"""The token by which a world's own programs ask its inference host where that lets in nobody without one.

It lies in the world's secrets, for their owner alone, and opens that world's host and nothing else.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from pathlib import Path

from realm.web import secret_key, tokens
from realm.web.tokens import KnownToken, TokenStore
from realm.world import World

FILE = "oracle_token"
_ID = "own"


def file_of(world: World) -> Path | None:
    """Its file, which a host that listens beyond loopback has made; None where none ever did."""
    path = world.secrets / FILE
    return path if path.is_file() else None


def read(world: World) -> str:
    """The token, or an empty text. Raises OSError."""
    path = file_of(world)
    return path.read_text(encoding="ascii").strip() if path else ""


class OracleTokens(TokenStore):
    """The tokens of a world, and its programs' own."""

    def __init__(self, world: World) -> None:
        super().__init__(world.secrets / tokens.FILE)
        self._own = secret_key.load_or_create(world, FILE)

    def check(self, secret: str, purpose: str, *, zone: str | None = None) -> KnownToken | None:
        if hmac.compare_digest(secret.encode(), self._own.encode()):
            return KnownToken(token_id=_ID, purpose=tokens.ORACLE, created_at=datetime.now(UTC))
        return super().check(secret, purpose, zone=zone)
