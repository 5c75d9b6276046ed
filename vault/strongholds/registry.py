"""The strongholds of a world, as its `strongholds.yaml` names them: strictly read, edited with its comments kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from realm import config_edit, strict
from realm.strict import BadConfig, Range
from realm.web.forbidden_addresses import is_forbidden, leads_to_forbidden
from realm.world import World
from realm.yaml_files import read_yaml
from vault.errors import NotFound, Refused
from vault.strongholds.backend import BUCKET_SCHEMES

LOCAL = "local"
"""Names this world itself, wherever a stronghold is named."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SCHEME = re.compile(r"[a-z][a-z0-9+]*://.*")


class StrongholdType(StrEnum):
    LOCAL = "local"
    """Another folder of this machine, such as a second disk."""
    NAS = "nas"
    """A folder of another machine that is mounted here."""
    ZONE = "zone"
    """A machine with a branch officer."""
    REMOTE = ZONE
    URL = "url"
    """Whatever fsspec reaches: s3://, webdav://, ssh://, file://."""


@dataclass(frozen=True, kw_only=True)
class StrongholdEntry:
    type: StrongholdType
    host: str = ""
    """Of a NAS, to be read by people; of a zone its id among the hosts, where that is not the stronghold's name."""
    path: str = ""
    """Whole, of a folder of this machine."""
    url: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """For the file system of the URL's scheme, such as `endpoint_url`."""
    secret_file: str = ""
    """Below the world's `secrets/`: a YAML mapping that is laid over the options, such as `key` and `secret`."""
    elsewhere: bool | None = None
    """Whether its copies survive this machine; None: as its type lets one expect."""
    timeout_seconds: Annotated[float, Range(0.1, 3600.0)] = 30.0
    """After which a call that brought nothing is given up."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if self.path and not Path(self.path).is_absolute():
            raise ValueError(f"path: {strict.shown(self.path)} is relative; write the whole path")
        if self.secret_file and not _SECRET.fullmatch(self.secret_file):
            raise ValueError(f"secret_file: {strict.shown(self.secret_file)} is no name of a file in secrets/")
        if self.type is StrongholdType.URL:
            _check_url(self.url)
            _check_options(self.options)
        elif self.url:
            raise ValueError(f"url: only a stronghold of the type url has one, not {self.type}")
        if self.type is StrongholdType.LOCAL and not self.path:
            raise ValueError("path: a stronghold of the type local needs one")

    @property
    def is_elsewhere(self) -> bool:
        if self.elsewhere is not None:
            return self.elsewhere
        return self.type is not StrongholdType.LOCAL and not self.url.startswith(("file://", "memory://"))

    @property
    def folder(self) -> Path | None:
        """Of one that is a folder here."""
        if self.url.startswith("file://"):
            return Path(urlsplit(self.url).path)
        return Path(self.path) if self.path else None

    @property
    def unusable(self) -> str:
        """Why nothing can lie there yet; empty where it can be used."""
        if self.type is StrongholdType.NAS and not self.path:
            return "it has no path yet: mount it and say where, as path"
        return ""


@dataclass(frozen=True)
class StorageRegistry:
    """`base_dir`: a world's folder; None: that of the environment."""

    base_dir: str | Path | None = None

    @property
    def world(self) -> World:
        return World(Path(self.base_dir).expanduser().resolve()) if self.base_dir else World.from_environment()

    def list(self) -> dict[str, StrongholdEntry]:
        """By name, in the file's order. Raises strict.BadConfig for a file that cannot be, naming the key."""
        path = self.world.strongholds_file
        return {
            _checked(name, source=str(path)): strict.read(StrongholdEntry, keys, source=f"{path}: {name}")
            for name, keys in read_yaml(path).items()
            if keys is not None
        }

    def get(self, name: str) -> StrongholdEntry:
        """Raises NotFound, or strict.BadConfig."""
        found = self.list()
        if name not in found:
            raise NotFound(f"There is no stronghold {strict.shown(name)}. Known: {', '.join(found) or 'none'}.")
        return found[name]

    def register_stronghold(
        self, *, name: str, stronghold_type: StrongholdType | str, replace: bool = False, **keys: Any
    ) -> StrongholdEntry:
        """Write it down; `keys` are those of StrongholdEntry. A folder of this machine is made where its parent is.

        Raises Refused for a name that is taken (unless `replace`) and strict.BadConfig for what cannot be.
        """
        path = self.world.strongholds_file
        said = {"type": str(stronghold_type)} | {key: _plain(value) for key, value in keys.items() if value}
        if keys.get("elsewhere") is False:
            said["elsewhere"] = False
        entry = strict.read(StrongholdEntry, said, source=f"{path}: {_checked(name, source=str(path))}")
        if name in self.list() and not replace:
            raise Refused(f"There is a stronghold {name} already; remove it first, or give another name.")
        self._write({(name,): said})
        if entry.type is StrongholdType.LOCAL and entry.folder and entry.folder.parent.is_dir():
            entry.folder.mkdir(exist_ok=True)
        return entry

    def remove(self, name: str) -> None:
        """Forget it; what lies there stays. Raises NotFound."""
        self.get(name)
        self._write({(name,): None})

    def _write(self, changes: Mapping[tuple[str, ...], Any]) -> None:
        self.world.control.mkdir(parents=True, exist_ok=True)
        config_edit.change(self.world, changes, path=self.world.strongholds_file, check=lambda settings: None)


def _checked(name: Any, *, source: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == LOCAL:
        raise BadConfig(
            f"{source}: {strict.shown(name)} is no stronghold's name; allowed are 1 to 40 letters, digits, '-' and "
            f"'_', a letter or digit first, and not {LOCAL!r}, which is this world"
        )
    return name


def _check_url(url: str) -> None:
    if not _SCHEME.fullmatch(url):
        raise ValueError(
            f"url: {strict.shown(url)} is none; allowed is such as s3://bucket/folder or ssh://host/folder"
        )
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: names and passwords do not belong there; put them into secret_file")
    if parts.scheme not in BUCKET_SCHEMES and leads_to_forbidden(url):
        raise ValueError(f"url: {strict.shown(url)} is where no stronghold can be")


def _check_options(options: Mapping[str, Any], *, within: str = "options") -> None:
    """No address in them, at whatever depth, is where a machine's credentials lie."""
    for name, value in options.items():
        told = f"{within}.{name}"
        if isinstance(value, Mapping):
            _check_options(value, within=told)
        elif isinstance(value, str) and (leads_to_forbidden(value) or (name == "host" and is_forbidden(value))):
            raise ValueError(f"{told}: {strict.shown(value)} is where no stronghold can be")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
