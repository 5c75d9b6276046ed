"""A host as the file has it, strictly read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from realm import host_services, strict
from realm.host_services import INFERENCE, ServiceEntry
from realm.hosts.host import ENGINES, STARTED, Host, Kind, Role, Start
from realm.web.forbidden_addresses import is_forbidden, leads_to_forbidden

LONGEST_SECONDS = 3600.0
_STEP = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A host as the file has it."""

    name: str | None = None
    url: str | None = None
    host: str | None = None
    kind: Kind = "realm"
    role: Role | None = None
    models_dir: str | None = None
    services: dict[str, ServiceEntry] | None = None
    device: str = ""
    trainer_local: bool | None = None
    evaluates: bool = False
    timeout_seconds: float = Host.timeout_seconds
    connect_seconds: float = Host.connect_seconds
    load_seconds: float = Host.load_seconds
    models: dict[str, str] = field(default_factory=dict)
    hero: str | None = None
    token_file: str | None = None
    start: Start | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "connect_seconds", "load_seconds"):
            if not 0 < getattr(self, name) <= LONGEST_SECONDS:
                raise ValueError(f"{name}: {getattr(self, name)} is not allowed; allowed is more than 0 to 3600")
        if self.url is not None:
            _check_url(self.url)
        if self.host is not None:
            _check_machine(self.host)
        for name in ("device", "name"):
            if len(getattr(self, name) or "") > 80:
                raise ValueError(f"{name}: it is too long; allowed are 80 characters")
        if self.name is not None and not self.name.strip():
            raise ValueError("name: there is nothing in it")
        host_services.check(self.offered)
        _check_kind(self)

    @property
    def offered(self) -> dict[str, ServiceEntry]:
        """The services that it names. One that names none serves inference, and this world's own machine everything."""
        if self.services is not None:
            return self.services
        own = self.url is None and self.host is None and self.kind == "realm"
        return {name: ServiceEntry() for name in (host_services.NAMES if own else (INFERENCE,))}


def _check_machine(address: str) -> None:
    try:
        _check_url(f"http://[{address}]:1" if ":" in address else f"http://{address}:1")
        if urlsplit(f"http://{address}").hostname != address.lower() and ":" not in address:
            raise ValueError(address)
    except ValueError:
        raise ValueError(
            f"host: {strict.shown(address)} is no machine; allowed is a name or an address, such as 192.168.1.5"
        ) from None


def _check_url(url: str) -> None:
    allowed = "allowed is http:// or https://, a machine, a port, such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url: {strict.shown(url)}: {error}; {allowed}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not url.isascii() or " " in url:
        raise ValueError(f"url: {strict.shown(url)} is no server's address; {allowed}")
    if is_forbidden(parts.hostname) or leads_to_forbidden(url):
        raise ValueError(f"url: {strict.shown(url)} is where no inference host can be; {allowed}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: names and passwords do not belong there; put a token into token_file")
    if parts.query or parts.fragment:
        raise ValueError(f"url: {strict.shown(url)} has more than a path; {allowed}")


def _check_kind(entry: Entry) -> None:
    if entry.start is not None:
        _check_start(entry)
    if entry.kind != "openai":
        for name in ("models", "hero"):
            if getattr(entry, name):
                raise ValueError(
                    f"{name}: only hosts of kind openai have it; a {entry.kind} host knows its checkpoints"
                )
    if entry.kind == "realm":
        return
    if entry.url is None and not _has_port(entry) and (entry.host is None or INFERENCE not in entry.offered):
        raise ValueError(f"url: a host of kind {entry.kind} needs one")
    if entry.kind in ENGINES:
        return
    if not entry.models:
        raise ValueError("models: a host of kind openai needs at least one, as {0: name of the base model}")
    for step in entry.models:
        if not _STEP.fullmatch(step):
            raise ValueError(
                f"models: {strict.shown(step)} is no step; a whole number is expected, 0 for the base model"
            )
    if len(set(entry.models.values())) < len(entry.models) or "" in entry.models.values():
        raise ValueError("models: each step needs a model name of its own")


def _check_start(entry: Entry) -> None:
    if entry.kind not in STARTED:
        raise ValueError(f"start: the weaver starts only hosts of kind {' or '.join(STARTED)}, not {entry.kind}")
    address = urlsplit(entry.url).hostname if entry.url else entry.host
    if address not in (None, host_services.LOOPBACK, "localhost"):
        raise ValueError(f"start: the weaver starts it on 127.0.0.1 alone, not at {strict.shown(address)}")
    if not (_has_port(entry) or (entry.url and urlsplit(entry.url).port)):
        raise ValueError("start: it needs a port, as url: http://127.0.0.1:8081")


def _has_port(entry: Entry) -> bool:
    inference = (entry.services or {}).get(INFERENCE)
    return inference is not None and inference.port is not None
