"""Where servers of this realm listen: a notice that went there would be an order to them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from guild.skills.registry import read_skills
from realm.config import RealmConfig
from realm.web.served_hosts import is_loopback

_DEFAULTS = {"redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}


def own_ports(config: RealmConfig) -> tuple[int, ...]:
    urls = [urlsplit(url) for url in (config.database_url, config.redis_url) if url]
    beside = [url.port or _DEFAULTS.get(url.scheme, 0) for url in urls]
    served = (config.port, *config.web_ports, config.vault_port, config.oracle_port, config.zone_port)
    return (*served, *_trainers(), *beside)


def _trainers() -> Iterator[int]:
    """Ports of this machine on which some skill's trainer is served, by `serve_trainers` or by hand."""
    for skill in read_skills():
        url = urlsplit(skill.api_url or "")
        if url.port and is_loopback(url.hostname or ""):
            yield url.port
