"""URLs of the servers that hold a world's database and ring between its processes, checked without their drivers.

No message holds any part of a URL: one that is written wrong shows its password in any place.
"""

from __future__ import annotations

from urllib.parse import urlsplit

DATABASE_ALLOWED = (
    "allowed are postgresql://USER:PASSWORD@HOST:PORT/NAME, postgresql:///NAME?host=FOLDER and sqlite:////FILE, "
    "with %40 for an @ in a password and the like"
)
REDIS_ALLOWED = "allowed are redis://:PASSWORD@HOST:PORT/NUMBER, rediss:// with TLS, and unix:///SOCKET"
_DATABASE_SCHEMES = frozenset({"postgresql", "postgres", "sqlite"})
_REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})
_BY_SOCKET = "unix"


def check(*, database_url: str | None, redis_url: str | None) -> None:
    """Raises ValueError naming the key and what is allowed."""
    if database_url and not (_is_url(database_url, _DATABASE_SCHEMES) and urlsplit(database_url).path.strip("/")):
        raise ValueError(f"database_url: it is no address of a database; {DATABASE_ALLOWED}")
    if redis_url and not (_is_url(redis_url, _REDIS_SCHEMES) and _names_a_server(redis_url)):
        raise ValueError(f"redis_url: it is no address of a Redis server; {REDIS_ALLOWED}")


def _is_url(text: str, schemes: frozenset[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and (parts.port or True) and "://" in text
    except ValueError:  # a port that is none
        return False


def _names_a_server(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.path.strip("/") if parts.scheme == _BY_SOCKET else parts.hostname)
