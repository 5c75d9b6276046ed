"""Whether every file of the settings can be read by its own reader, and whether services go by them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from arena import presets
from arena.gate.rules import GateRules
from arena.profiles import hub
from arena.recipe import Recipe
from arena.rows import tokenizer
from arena.rows.formats import load_declared
from guild.skills.registry import broken_skills
from guild.tasks.task_settings import Rules as TaskRules
from realm import config as realm_config
from realm import hosts
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.weaver import supervisord, supervisord_config
from realm.weaver.services import services
from realm.world import World
from realm.yaml_files import read_yaml
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning
from sentinels.notices.rules import Rules as NoticeRules
from vault.archivist.rules import Rules as ArchivistRules
from vault.strongholds.registry import StorageRegistry
from vault.treasury.rules import Rules as TreasuryRules


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world = patrolled.world
    found = [*_files(world), *_shadowed(world), *_not_in_force(patrolled)]
    found += [] if any(finding.what == "settings" for finding in found) else _base_model(world, _settings(world))
    yield from found or [ok("configuration", "every file can be read, and services go by it")]


def _files(world: World) -> Iterator[Finding]:
    readers: dict[str, tuple[Path, Callable[[], Any]]] = {
        "settings": (realm_config.config_file(world), lambda: _settings(world)),
        "datasets": (world.home / "datasets.yaml", lambda: load_declared(world)),
        "strongholds": (world.strongholds_file, StorageRegistry(world.home).list),
    }
    for what, (path, read) in readers.items():
        try:
            read()
        except BadConfig as error:
            yield trouble(what, str(error), f"mend {path.name} where it says", path=path)
    yield from _hosts(world)
    for sentence in broken_skills():
        yield warning("skills", sentence, "mend its file; the other skills go on meanwhile", path=world.skills)
    for name, path in realm_config.preset_files(world).items():
        try:
            presets.recipe_of(world, name)
        except BadConfig as error:
            yield warning("presets", str(error), "mend it before it is used", path=path)


def _settings(world: World) -> RealmConfig:
    """As a service that starts now would read them. Raises BadConfig."""
    return realm_config.load(
        world,
        recipe=Recipe,
        gatekeeper=GateRules,
        tasks=TaskRules,
        treasury=TreasuryRules,
        archivist=ArchivistRules,
        notices=NoticeRules,
    )


def _hosts(world: World) -> Iterator[Finding]:
    path = hosts.hosts_file(world)
    try:
        sentences = list(hosts.read_hosts(world).broken.values())
    except BadConfig as error:
        sentences = [str(error)]
    for sentence in sentences:
        yield trouble("hosts", sentence, f"mend {path.name} where it says", path=path)


def _shadowed(world: World) -> Iterator[Finding]:
    """Keys of the world's file over which a variable of the environment lies."""
    path = realm_config.config_file(world)
    try:
        keys = read_yaml(path)
        told = realm_config.from_environment(os.environ)
    except BadConfig:
        return
    shadowed = [key for key, value in told.items() if key in keys and keys[key] != value]
    if shadowed:
        variables = [f"REALM_{key.upper()}" for key in shadowed]
        sentence = f"{named(shadowed)} of {path.name}: {named(variables)} of the environment says otherwise, and wins"
        yield warning("shadowed settings", sentence, f"`unset {' '.join(variables)}`, or take the key out", path=path)


def _not_in_force(patrolled: Patrolled) -> Iterator[Finding]:
    """By the plan that the supervisord that lives was started with."""
    world = patrolled.world
    if not supervisord.is_alive(world):
        return
    try:
        plan = (world.control / supervisord_config.PLAN_FILE).read_text()
        wanted = supervisord_config.text(services(_settings(world), world))
    except (OSError, BadConfig):
        return
    if plan != wanted:
        sentence = "services, ports or addresses were changed after they were started"
        yield warning("services' plan", sentence, "`scripts/stop_all.sh`, then `scripts/start_all.sh`")


def _base_model(world: World, config: RealmConfig) -> Iterator[Finding]:
    """The embedded hero is made when it is needed."""
    if not config.base_model:
        return
    if name := hub.hub_id(config):
        if missing := hub.missing_of(name):
            sentence = f"{name} is not whole on this machine: {named(missing)}"
            yield warning("base model", sentence, "it is fetched when a quest comes, over the network")
    elif tokenizer.base_folder(world, config) is None:
        remedy = "bring it back, or name another one as base_model (a hero keeps its base for life)"
        yield trouble("base model", f"there is no folder {config.base_model}", remedy, path=config.base_model)
