"""One service started, stopped or started anew, by the supervisord that lives."""

from __future__ import annotations

import threading
from enum import StrEnum

from realm.config import RealmConfig
from realm.weaver import WeaverError, coming_up, kept_down, supervisord, verbs
from realm.weaver.services import TAVERN, Service, services
from realm.weaver.supervisord import Loom
from realm.world import World


class ServiceOrder(StrEnum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"


def give(world: World, config: RealmConfig, name: str, order: ServiceOrder, *, wait: bool = False) -> str:
    """What happens now, in a sentence; with `wait` it has happened. Raises WeaverError.

    Without `wait` the Tavern is ended by a signal, and supervisord starts it again: it may be the one that asks.
    """
    service = next((one for one in services(config, world) if one.name == name), None)
    if service is None:
        raise WeaverError(f"there is no service {name[:40]!r}; there are {', '.join(_names(world, config))}")
    loom = Loom(world, seconds=verbs.STATUS_SECONDS)
    if not (supervisord.is_alive(world) and loom.answers()):
        raise WeaverError("no weaver runs, or it is stuck; `scripts/start_all.sh` starts everything")
    runs = loom.states()[name].pid is not None
    if order == ServiceOrder.STOP:
        kept_down.keep(world, name, kept_down.PLAYER)
    else:
        kept_down.forget(world, name)
    if order == ServiceOrder.START or not runs:
        if order == ServiceOrder.STOP:
            return f"{name} does not run"
        done = _start(loom, service)
        return _when_it_works(world, name, done) if wait else done
    if wait:
        patient = Loom(world)
        if order == ServiceOrder.STOP:
            patient.stop(name)
            return f"{name} is stopped"
        patient.restart(name)
        return _when_it_works(world, name, f"{name} is started again")
    if order == ServiceOrder.STOP:
        loom.begin_stop(name)
        return f"{name} is told to save and end; it has {service.stop_seconds} s"
    if name == TAVERN:
        loom.signal(name, "TERM")
    else:
        threading.Thread(target=_restart, args=(world, name), name=f"restart {name}", daemon=True).start()
    return f"{name} ends and is started again; it has {service.stop_seconds} s to save"


def _start(loom: Loom, service: Service) -> str:
    if loom.states()[service.name].runs:
        return f"{service.name} runs already"
    if service.port and (taken := verbs.why_taken(service)):
        raise WeaverError(taken)
    loom.start(service.name)
    return f"{service.name} is started"


def _when_it_works(world: World, name: str, done: str) -> str:
    """`done`, once it is. Raises WeaverError with its last lines where it does not come up."""
    if failed := coming_up.wait_for(world, Loom(world), [name]):
        raise WeaverError(f"{name} does not come up: {failed[name]}")
    return done


def _restart(world: World, name: str) -> None:
    Loom(world).restart(name)


def _names(world: World, config: RealmConfig) -> list[str]:
    return [service.name for service in services(config, world)]
