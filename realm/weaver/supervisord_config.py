"""supervisord's configuration for one world.

supervisord runs in the world's folder. Paths in there are relative, others reach it as `%(ENV_…)s`, which it fills in
after parsing: so a folder may be named with spaces, percent signs or semicolons.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from realm.config import RealmConfig
from realm.disk import durable
from realm.processes import notify
from realm.weaver import service_lock
from realm.weaver.services import Service, services
from realm.weaver.starter import SERVICE_VARIABLE
from realm.world import CHECKOUT, World

PLAN_FILE = "weaver.conf"
_OF_A_SERVICE = frozenset(
    {
        SERVICE_VARIABLE,
        service_lock.RUN_BY_VARIABLE,
        service_lock.HELD_VARIABLE,
        notify.VARIABLE,
        "WATCHDOG_USEC",
    }
)
_LOG_LIMITS = "maxbytes=10MB", "backups=5"
_PYTHON, _CHECKOUT, _SOCKET = "REALM_WEAVER_PYTHON", "REALM_WEAVER_CHECKOUT", "REALM_WEAVER_SOCKET"


def write(world: World, config: RealmConfig) -> Path:
    path = world.control / PLAN_FILE
    durable.write_bytes(path, text(services(config, world)).encode(), sync=False)
    for name in ("weaver", *(service.name for service in services(config, world))):
        (world.logs / name).mkdir(exist_ok=True)
    return path


def environment(world: World, socket: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What supervisord and its services are started with; it may be a service that starts them."""
    return {
        **{name: value for name, value in environ.items() if name not in _OF_A_SERVICE},
        "REALM_HOME": str(world.home),
        "PYTHONUNBUFFERED": "1",
        _PYTHON: sys.executable,
        _CHECKOUT: str(CHECKOUT),
        _SOCKET: str(socket),
    }


def text(ordered: tuple[Service, ...]) -> str:
    head = f"""\
; Written by `manage.py weave` at each start; changes made here are lost.
[supervisord]
nodaemon = true
silent = true
umask = 077
pidfile = control/weaver.pid
logfile = logs/weaver/weaver.log
{_limits("logfile")}

[unix_http_server]
file = %(ENV_{_SOCKET})s
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_program(service, place) for place, service in enumerate(ordered, start=1))


def _program(service: Service, place: int) -> str:
    words = shlex.join(starter_words(service, run_by=service_lock.WEAVER)).replace("%", "%%")
    return f"""
[program:{service.name}]
command = "%(ENV_{_PYTHON})s" {words}
directory = %(ENV_{_CHECKOUT})s
priority = {place}
autostart = false
autorestart = true
; A service that ends sooner than this counts as not started and is tried again ever more slowly; five times in all.
startsecs = 3
startretries = 4
stopsignal = TERM
stopwaitsecs = {service.stop_seconds}
redirect_stderr = true
; It writes its log itself, since this pipe ends with supervisord.
stdout_logfile = NONE
"""


def starter_words(service: Service, *, run_by: str) -> tuple[str, ...]:
    """Of the Python interpreter, in the checkout: they start the service through its starter."""
    return ("-S", "-m", "realm.weaver.starter", service.name, str(service.stop_seconds), run_by, *service.arguments)


def _limits(log: str) -> str:
    return "\n".join(f"{log}_{limit.replace('=', ' = ')}" for limit in _LOG_LIMITS)
