"""The zones: machines of hosts.yaml that offer the service `zone`, and what their branch officers said last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from realm.host_services import ZONE
from realm.hosts import Host, read_hosts
from realm.strict import BadConfig, shown
from realm.world import World
from vault.errors import NotFound, Refused, Unreachable, VaultError
from vault.models import Zone
from vault.zones.client import STATUS_SECONDS, ZoneClient, ZoneStatus
from vault.zones.stronghold import ZoneStronghold

_LARGEST_TOKEN_BYTES = 4096
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class KnownZone:
    zone_id: str
    url: str
    name: str
    """What the player reads."""
    token_file: Path | None = None


def list_zones(world: World) -> list[KnownZone]:
    """In the files' order; nobody is asked. Raises BadConfig where the settings cannot be read."""
    return [_known(host) for host in read_hosts(world).machines if ZONE in host.services]


def find(world: World, zone: str) -> KnownZone:
    """Raises NotFound."""
    try:
        registry = read_hosts(world)
    except BadConfig as error:
        raise NotFound(str(error)) from error
    for host in registry.machines:
        if host.id == zone and ZONE in host.services:
            return _known(host)
    if zone in registry.broken:
        raise NotFound(registry.broken[zone])
    known = ", ".join(host.id for host in registry.machines if ZONE in host.services) or "none"
    raise NotFound(f"there is no zone {shown(zone)}; known: {known}. Machines of hosts.yaml with the service zone are")


def open_zone(world: World, zone: str) -> ZoneStronghold:
    """Nobody is asked yet. Raises NotFound, Refused where its token cannot be read."""
    known = find(world, zone)
    return ZoneStronghold(known.zone_id, known.url, _token(known))


def refresh(world: World, *, seconds: float = STATUS_SECONDS) -> list[Zone]:
    """Ask every zone, all at once, and write down what each said; it takes little more than `seconds`.

    For the vault's own process and for commands: pages read the rows.
    """
    known = list_zones(world)
    with ThreadPoolExecutor(_AT_ONCE, "zones") as pool:
        said = list(pool.map(lambda zone: _asked(zone, seconds), known))
    rows = [_note(zone, answer) for zone, answer in zip(known, said, strict=True)]
    Zone.objects.exclude(zone_id__in=[zone.zone_id for zone in known]).delete()
    return rows


def _asked(zone: KnownZone, seconds: float) -> ZoneStatus | VaultError:
    try:
        return ZoneClient(zone.zone_id, zone.url, _token(zone)).status(seconds=seconds)
    except VaultError as error:
        return error


def _note(zone: KnownZone, said: ZoneStatus | VaultError) -> Zone:
    facts: dict[str, object] = {"url": zone.url}
    if isinstance(said, ZoneStatus):
        facts |= {
            "state": Zone.State.ONLINE,
            "message": "",
            "version": said.version,
            "protocol": said.protocol,
            "base_dir": said.base_dir,
            "assets": said.assets,
            "free_bytes": said.free_bytes,
            "total_bytes": said.total_bytes,
            "last_seen_at": timezone.now(),
        }
    else:
        is_silent = isinstance(said, Unreachable)
        facts |= {"state": Zone.State.SILENT if is_silent else Zone.State.REFUSED, "message": str(said)[:500]}
    row, _ = Zone.objects.update_or_create(zone_id=zone.zone_id, defaults=facts)
    return row


def _known(host: Host) -> KnownZone:
    return KnownZone(zone_id=host.id, url=host.services[ZONE].url, name=host.name, token_file=host.token_file)


def _token(zone: KnownZone) -> str:
    """Raises Refused."""
    if zone.token_file is None:
        return ""
    try:
        with zone.token_file.open(encoding="utf-8") as file:
            token = file.read(_LARGEST_TOKEN_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the token of zone {zone.zone_id} cannot be read: {zone.token_file}: {error}") from error
    if not token.isascii() or not token.isprintable():
        raise Refused(f"{zone.token_file} holds no token")
    return token
