"""The channel layer, by which one process of a world rings those of the pages: Redis where the settings name one."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from typing import Any

from realm.strict import BadConfig

DRIVER_MISSING = "redis_url: the driver of Redis is not installed: .venv/bin/pip install 'channels-redis>=4.3'"
CONNECT_SECONDS = 5.0
MEMBER_SECONDS = 300
"""So long a process that was killed counts as one that listens; the others join again meanwhile (realm.bell)."""


def settings_of(url: str | None, *, secret_key: str) -> dict[str, Any]:
    """Django's CHANNEL_LAYERS entry. Worlds that share a server do not hear each other. Raises BadConfig."""
    if not url:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    if find_spec("channels_redis") is None:
        raise BadConfig(DRIVER_MISSING)
    host = {"address": url, "socket_connect_timeout": CONNECT_SECONDS}
    prefix = f"realm-{hashlib.sha256(secret_key.encode()).hexdigest()[:16]}"
    config = {"hosts": [host], "prefix": prefix, "group_expiry": MEMBER_SECONDS}
    return {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}
