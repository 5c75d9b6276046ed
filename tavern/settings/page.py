"""Every setting as `/settings` shows it: by groups, what this world says itself first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from arena import presets
from arena.presets import Preset
from arena.profiles.resolving import resolve
from arena.recipe import Recipe
from realm import config, hosts
from realm.config import config_file
from realm.strict import BadConfig
from realm.world import World
from watchtower.armory import backups, catalogue, kinds
from watchtower.armory.backups import Backup
from watchtower.armory.catalogue import Setting
from watchtower.armory.kinds import FieldKind

_NETWORK = (
    "bind", "port", "web_ports", "vault_port", "vault_bind", "oracle_port", "oracle_bind", "zone_port",
    "public_origins", "trusted_proxies", "allowed_origins", "database_url", "redis_url", "node_address",
    "node_link_gbit", "serve_trainers", "bridges",
)  # fmt: skip
TITLES = {
    "realm": "Hero and realm", "training": "Training recipe", "network": "Network and services",
    "gatekeeper": "Gatekeepers", "curriculum": "Curriculum", "tasks": "Task Master", "treasury": "Treasury",
    "copies": "Copies", "archivist": "Archivist", "notices": "Notices",
}  # fmt: skip
PLACES = {
    "curriculum": ("tavern:scheduler", "Scheduler"), "tasks": ("tavern:scheduler", "Scheduler"),
    "notices": ("tavern:notices", "Notices"), "treasury": ("tavern:vault_room", "Room in the vault"),
    "copies": ("tavern:vault_zones", "Zones and strongholds"),
}  # fmt: skip
"""Pages that set the same with more to see."""
_NUMBERS = (FieldKind.WHOLE, FieldKind.NUMBER)


@dataclass(frozen=True, kw_only=True)
class Row:
    setting: Setting
    typed: str | None = None
    """What was not taken; None: nothing was typed."""
    refusal: str = ""
    question: str = ""
    """What follows from it; asked before it is written."""
    done: str = ""

    @property
    def id(self) -> str:
        return self.setting.key.replace(".", "-")

    @property
    def text(self) -> str:
        return kinds.written(self.setting.value) if self.typed is None else self.typed

    @property
    def default(self) -> str:
        return kinds.written(self.setting.default)

    @property
    def options(self) -> tuple[str, ...]:
        """Empty for what is typed."""
        form = self.setting.form
        found = ("true", "false") if form.kind is FieldKind.SWITCH else form.choices
        return (*found, "null") if found and form.optional else found

    @property
    def input_mode(self) -> str:
        return "decimal" if self.setting.form.kind in _NUMBERS else "text"

    @property
    def is_open(self) -> bool:
        """Whether it may be changed on the page."""
        return not self.setting.variable and not self.setting.secret


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    title: str
    rows: list[Row]
    place: tuple[str, str] | None
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class PresetLine:
    preset: Preset
    in_force: bool
    differences: list[tuple[str, str, str]]
    """Key, what is now, what it would be."""
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class SettingsPage:
    groups: list[Group]
    changed: list[Row]
    count: int
    file: str
    backups: list[Backup]
    presets: list[PresetLine]
    hosts: tuple[str, ...] = ()
    """Names of the machines in configs/hosts.yaml and the world's own."""
    query: str = ""
    trouble: str = ""
    question: dict[str, str] = field(default_factory=dict)
    """By the act that waits for a second word, what follows from it."""


def read(
    world: World, *, query: str = "", typed: Row | None = None, question: Mapping[str, str] | None = None
) -> SettingsPage:
    """`typed` is a row whose value was not taken; `question` what is asked of a preset or a copy."""
    try:
        found = catalogue.read_all(world)
    except BadConfig as error:
        return SettingsPage(
            groups=[], changed=[], count=0, file=str(config_file(world)), backups=backups.list_all(world), presets=[],
            trouble=str(error),
        )  # fmt: skip
    rows = [typed if typed and typed.setting.key == one.key else Row(setting=one) for one in found]
    shown = [row for row in rows if _is_meant(row.setting, query)]
    return SettingsPage(
        groups=_groups(shown, opened=bool(query)), changed=[row for row in rows if row.setting.is_changed],
        count=len(rows), file=str(config_file(world)), backups=backups.list_all(world), presets=_presets(world),
        hosts=tuple(host.id for host in hosts.read_hosts(world).machines), query=query, question=dict(question or {}),
    )  # fmt: skip


def row_of(world: World, key: str, **more: Any) -> Row:
    """Raises NoSuchSetting."""
    return Row(setting=catalogue.find(catalogue.read_all(world), key), **more)


def _is_meant(setting: Setting, query: str) -> bool:
    text = f"{setting.key} {setting.help}".lower()
    return all(word in text for word in query.lower().split())


def _groups(rows: list[Row], *, opened: bool) -> list[Group]:
    by_group: dict[str, list[Row]] = {name: [] for name in TITLES}
    for row in rows:
        section = "network" if row.setting.key in _NETWORK else row.setting.section
        by_group[section].append(row)
    return [
        Group(
            name=name, title=TITLES[name], rows=sorted(found, key=lambda row: not row.setting.is_changed),
            place=PLACES.get(name), is_open=opened or name in ("realm", "training") or any(map(_speaks, found)),
        )
        for name, found in by_group.items() if found
    ]  # fmt: skip


def _speaks(row: Row) -> bool:
    return bool(row.setting.is_changed or row.refusal or row.question)


def _presets(world: World) -> list[PresetLine]:
    now = config.load(world, recipe=Recipe)
    before = asdict(resolve(world, now).recipe)
    found = []
    for preset in presets.list_presets(world):
        try:
            after = asdict(resolve(world, now, {"preset": preset.name}).recipe)
        except BadConfig as error:
            found.append(PresetLine(preset=preset, in_force=False, differences=[], trouble=str(error)))
            continue
        differences = [
            (key, kinds.written(before[key]), kinds.written(value))
            for key, value in after.items() if before[key] != value
        ]  # fmt: skip
        found.append(PresetLine(preset=preset, in_force=preset.name == now.preset, differences=differences))
    return found
