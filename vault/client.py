"""Another machine's vault, asked over HTTP: `VaultKeeperClient("192.168.1.5:8767").locate("checkpoint_175000").found`.

No Django. Nothing that is answered is taken on trust: bounded in bytes and time, and bytes by their digests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from realm import strict
from realm.health import HEALTHY
from realm.web import outbound
from realm.world import World
from vault.assets.manifest import Manifest
from vault.assets.partial import check_is_same
from vault.errors import Damaged, NotFound, Refused, Unreachable, VaultError
from vault.officer import wire
from vault.strongholds.contract import Progress, unheard
from vault.zones import carrying
from vault.zones.client import ZoneClient

SERVICE = "vault"
_SECONDS, _GLANCE_SECONDS = 30.0, 5.0
_LARGEST_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class FoundLocation:
    path: str
    """On the machine of the vault, or an address."""
    stronghold: str
    type: str
    """`local`, `nas`, `zone` or `url`, as seen from the vault."""
    verified_at: str | None


@dataclass(frozen=True, kw_only=True)
class Located:
    found: bool
    asset_id: str
    """Whole, where the asset is known."""
    locations: tuple[FoundLocation, ...] = ()
    """The best one first."""
    message: str = ""
    """Why nothing was found."""

    @property
    def best_location(self) -> FoundLocation | None:
        return self.locations[0] if self.found and self.locations else None


class VaultKeeperClient:
    """Methods raise Unreachable where it does not answer, or not as a vault does, and Refused where it may not."""

    def __init__(self, address: str, *, token: str | None = None, seconds: float = _SECONDS) -> None:
        """`address` is such as `192.168.1.5:8767`. Raises ValueError for what is none."""
        url = address if "://" in address else f"http://{address}"
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ValueError(f"{strict.shown(address)} is no vault's address, such as 192.168.1.5:8767")
        self.url = url.rstrip("/").removesuffix("/api")
        self._token, self._seconds = token or "", seconds

    def is_available(self) -> bool:
        """Whether a vault answers there now, and lets us in."""
        try:
            said = self._ask("GET", "/health", seconds=_GLANCE_SECONDS)
        except VaultError:
            return False
        return said.get("status") == HEALTHY and said.get("service") == SERVICE

    def locate(self, asset_id: str) -> Located:
        """Where copies of it lie; `found` is False for what that vault does not know."""
        try:
            said = self._ask("GET", f"/api/locate/{quote(asset_id, safe='')}")
        except NotFound as error:
            return Located(found=False, asset_id=asset_id, message=str(error))
        locations = tuple(_location(each, self.url) for each in self._list(said, "locations"))
        return Located(found=bool(said.get("found")), asset_id=str(said.get("whole_id")), locations=locations)

    def stats(self) -> dict[str, Any]:
        return self._ask("GET", "/api/stats")

    def checkpoints(self, *, limit: int = 100, hero: str | None = None) -> list[dict[str, Any]]:
        """Newest first, as that machine's ledger tells them."""
        asked = {"limit": limit} | ({"hero": hero} if hero else {})
        return self._list(self._ask("GET", f"/api/checkpoints?{urlencode(asked)}"), "checkpoints")

    def search(self, type: str = "", text: str = "", *, limit: int = 100) -> list[dict[str, Any]]:
        """Assets of that type whose id or name has `text` in it."""
        asked = {key: value for key, value in (("type", type), ("text", text), ("limit", limit)) if value}
        return self._list(self._ask("GET", f"/api/search?{urlencode(asked)}"), "assets")

    def ensure_local(self, asset_id: str, into: str | Path | None = None, *, progress: Progress = unheard) -> Path:
        """The asset on this machine, whole and verified: where the vault has it, if that is here, else fetched.

        It is put below `into`, by default `vault/fetched/` of this machine's world. Raises NotFound and Damaged, too.
        """
        zone = ZoneClient(SERVICE, self.url, self._token)
        manifest = zone.manifest(asset_id)
        best = self.locate(manifest.asset_id).best_location
        if best is not None and best.type == "local" and _is_here(Path(best.path), manifest):
            return Path(best.path)
        folder = Path(into).expanduser().absolute() if into else World.from_environment().vault / "fetched"
        target = folder / manifest.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"{folder} cannot be made: {error.strerror}") from error
        carrying.pull(zone, manifest, target, progress=progress)
        return target

    def _ask(self, method: str, path: str, *, seconds: float | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            reply = outbound.ask_once(
                self.url, method, path, seconds=seconds or self._seconds, largest_bytes=_LARGEST_BYTES, headers=headers
            )
        except outbound.FAILURES as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"the vault at {self.url} does not answer: {why}") from error
        try:
            said = wire.decode(reply.body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise Unreachable(f"what answers at {self.url} is no vault: status {reply.status}, and no JSON object")
        if reply.status == 200:
            return said
        sentence = strict.shown(said.get("error") or f"status {reply.status}")
        if reply.status == 404 and said.get("success") is False:
            raise NotFound(f"the vault at {self.url}: {sentence}")
        if reply.status in (401, 403, 409, 422):
            raise Refused(f"the vault at {self.url}: {sentence}")
        raise Unreachable(f"the vault at {self.url}: {sentence}")

    def _list(self, said: dict[str, Any], key: str) -> list[dict[str, Any]]:
        value = said.get(key)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise Unreachable(f"what answers at {self.url} is no vault: it tells of no {key}")
        return value


def _location(said: dict[str, Any], url: str) -> FoundLocation:
    texts = [said.get(key) for key in ("path", "stronghold", "type")]
    verified_at = said.get("verified_at")
    if not all(isinstance(text, str) for text in texts) or not isinstance(verified_at, str | None):
        raise Unreachable(f"what answers at {url} is no vault: {strict.shown(said)} is no location")
    path, stronghold, kind = map(str, texts)
    return FoundLocation(path=path, stronghold=stronghold, type=kind, verified_at=verified_at)


def _is_here(path: Path, manifest: Manifest) -> bool:
    """Whether those bytes lie at that path of this machine; each is read."""
    if not path.is_absolute() or path.name != manifest.name or not path.exists():
        return False
    try:
        check_is_same(path, manifest)
    except (Damaged, OSError):
        return False
    return True
