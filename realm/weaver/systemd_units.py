"""systemd's units of a world: one for each service, and a target that is all of them.

Each ends when its loop stands still (`WatchdogSec=`), is started again when it ends by itself, and may write into its
world alone. The weaver and its guardian do not run there: systemd is both.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from realm.config import RealmConfig
from realm.disk import durable
from realm.weaver import service_lock
from realm.weaver.services import ARENA, GUARDIAN, ORACLE, TAVERN, TRAINER_PREFIX, Service, services
from realm.weaver.supervisord_config import starter_words
from realm.world import CHECKOUT, World

START_SECONDS = 120
"""Until it says that it serves: what was left half-done is put right before."""
WATCHDOG_SECONDS, ABORT_SECONDS = 30, 10
"""How long its loop may stand still, and how long it then has to save and end."""
ENVIRONMENT_FILE = "environment"
"""In the world's secrets: variables that only its owner may read, such as REALM_DATABASE_URL."""
_TENSORS = (ARENA, ORACLE)
"""They, or their children, compute with torch."""
_GPUS = ("char-nvidia*", "char-drm", "char-kfd")
"""Computed with or measured by all that are no trainer's or bridge's."""
_WITHOUT_GPUS = (TRAINER_PREFIX, "bridge-")
_NOT_IN_A_UNIT_S_NAME = re.compile(r"[^A-Za-z0-9_.]+")
_FORBIDDEN_CALLS = "@privileged @resources @mount @reboot @swap @raw-io @clock @cpu-emulation @debug @module @obsolete"
_CALLS_ALL_THE_SAME = (
    "setpriority sched_setaffinity sched_setscheduler ioprio_set setrlimit prlimit64 mbind set_mempolicy"
)
"""The daemon lowers its children's priority and bounds their memory; torch chooses its processors."""


def write(world: World, config: RealmConfig, folder: Path, *, user: bool) -> list[Path]:
    """The files, which are written anew where they stood. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in units(world, config, user=user).items():
        durable.write_bytes(folder / name, text.encode(), sync=False)
        written.append(folder / name)
    return written


def units(world: World, config: RealmConfig, *, user: bool) -> dict[str, str]:
    """Text by file name; `user` is for a systemd of one user's, which cannot take away what only root has."""
    prefix = prefix_of(world)
    ordered = [service for service in services(config, world) if service.name != GUARDIAN]
    made = {f"{prefix}.target": _target(prefix, ordered, user=user)}
    for service in ordered:
        made[f"{prefix}-{service.name}.service"] = "\n".join(_unit(world, service, prefix, user=user))
    return made


def prefix_of(world: World) -> str:
    """`realm` of the checkout's own world; another world's name beside it, so that there may be several."""
    own = CHECKOUT / "world"
    return (
        "realm"
        if world.home == own
        else f"realm-{_NOT_IN_A_UNIT_S_NAME.sub('-', world.home.name).strip('-') or 'world'}"
    )


def _target(prefix: str, ordered: list[Service], *, user: bool) -> str:
    wants = " ".join(f"{prefix}-{service.name}.service" for service in ordered)
    return f"""\
# Written by `manage.py weave --systemd`.
[Unit]
Description=Realm of Training
Wants={wants}

[Install]
WantedBy={"default.target" if user else "multi-user.target"}
"""


def _unit(world: World, service: Service, prefix: str, *, user: bool) -> Iterator[str]:
    is_first = service.name == TAVERN
    yield "# Written by `manage.py weave --systemd`."
    yield "[Unit]"
    yield f"Description=Realm of Training: {service.name}"
    yield f"PartOf={prefix}.target"
    yield "After=network.target" if is_first else f"After=network.target {prefix}-{TAVERN}.service"
    yield "StartLimitIntervalSec=60"
    yield "StartLimitBurst=5"
    yield ""
    yield "[Service]"
    yield "Type=notify"
    yield "NotifyAccess=main"
    if not user:
        yield f"User={pwd.getpwuid(world.home.stat().st_uid).pw_name}"
    yield f"WorkingDirectory={_escaped(CHECKOUT)}"
    yield f"Environment={' '.join(_variables(world))}"
    yield f"EnvironmentFile=-{_escaped(world.secrets / ENVIRONMENT_FILE)}"
    if is_first:
        yield f"ExecStartPre={_command('manage.py', 'weave', '--prepare')}"
    yield f"ExecStart={_command(*starter_words(service, run_by=service_lock.SYSTEMD))}"
    yield f"TimeoutStartSec={START_SECONDS}"
    yield f"TimeoutStopSec={service.stop_seconds}"
    yield f"WatchdogSec={WATCHDOG_SECONDS}"
    yield "WatchdogSignal=SIGTERM"
    yield f"TimeoutAbortSec={ABORT_SECONDS}"
    yield "Restart=always"  # as supervisord does: who lost its database ends cleanly, and is to come back
    yield "RestartSec=1"
    yield "KillMode=mixed"
    yield "UMask=0077"
    yield from _limits(service)
    yield from _hardening(world, service, user=user)
    yield ""
    yield "[Install]"
    yield f"WantedBy={prefix}.target"
    yield ""


def _variables(world: World) -> Iterator[str]:
    """The settings that this shell has set, too, but no address of a database, which may hold a password."""
    named = {f"REALM_{field.name.upper()}" for field in fields(RealmConfig)} & os.environ.keys()
    for name, value in {"REALM_HOME": str(world.home), **{name: os.environ[name] for name in sorted(named)}}.items():
        yield _quoted(_escaped(f"{name}={value}"))
    yield "PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1"


def _limits(service: Service) -> Iterator[str]:
    """Who computes may take what the machine has, and goes first where memory is short: it saves and comes back."""
    yield "LimitNOFILE=65536"
    yield f"TasksMax={4096 if service.name in _TENSORS else 512}"
    if service.name in _TENSORS:
        yield "OOMScoreAdjust=300"
    else:
        yield "MemoryMax=2G"
        yield f"OOMScoreAdjust={-100 if service.name == TAVERN else 100}"
    if service.name == ARENA:
        yield "Nice=5"  # the page and the oracle answer while a trainer computes


def _hardening(world: World, service: Service, *, user: bool) -> Iterator[str]:
    yield "NoNewPrivileges=yes"
    yield "ProtectSystem=strict"
    yield "ProtectHome=read-only"
    yield f"ReadWritePaths={_quoted(_escaped(world.home))}"
    yield "PrivateTmp=yes"
    yield "PrivateMounts=yes"
    yield "ProtectProc=invisible"
    yield "RestrictSUIDSGID=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictNamespaces=yes"
    yield "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"
    yield "LockPersonality=yes"
    yield "SystemCallArchitectures=native"
    yield "SystemCallFilter=@system-service"
    yield f"SystemCallFilter=~{_FORBIDDEN_CALLS}"
    yield f"SystemCallFilter={_CALLS_ALL_THE_SAME}"
    yield "SystemCallErrorNumber=EPERM"
    for what in ("KernelTunables", "KernelModules", "KernelLogs", "ControlGroups", "Clock", "Hostname"):
        yield f"Protect{what}=yes"
    if not user:
        yield "CapabilityBoundingSet="
        yield "AmbientCapabilities="
        yield "KeyringMode=private"
        yield "RemoveIPC=yes"
    if service.name not in _TENSORS:
        yield "MemoryDenyWriteExecute=yes"
    yield from _devices(service)


def _devices(service: Service) -> Iterator[str]:
    if service.name.startswith(_WITHOUT_GPUS):
        yield "PrivateDevices=yes"
        return
    yield "DevicePolicy=closed"
    for gpu in _GPUS:
        yield f"DeviceAllow={gpu} rw"


def _command(*words: str) -> str:
    return " ".join(_quoted(_escaped(word).replace("$", "$$")) for word in (sys.executable, *words))


def _escaped(path: str | Path) -> str:
    """systemd.unit(5): `%` begins a specifier."""
    return str(path).replace("%", "%%")


def _quoted(word: str) -> str:
    """systemd.syntax(7)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r"[\s\"';\\]", word) or not word else word
