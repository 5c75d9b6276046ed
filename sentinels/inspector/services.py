"""Whether every service of the plan runs and answers."""

from __future__ import annotations

from collections.abc import Iterator

from realm.weaver import WeaverError, guarded, supervisord, verbs
from realm.weaver.services import TASKMASTER, TAVERN, VAULT, services
from realm.weaver.supervisord import ServiceState
from realm.web import identity
from sentinels import vitals
from sentinels.inspector.finding import Finding, Patrolled, ok, trouble, warning

ASK_SECONDS = 5.0
START = "`scripts/start_all.sh` starts everything"
MEND = "`manage.py weave --daemon` mends it"
_REMEDIES = {
    "FATAL": "`manage.py logs {name}` shows its last lines; then `manage.py weave --start {name}`",
    "FROZEN": "`manage.py weave --restart {name}`",
    "ORPHANED": "`scripts/start_all.sh` takes it down and starts it anew",
}


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world, config = patrolled.world, patrolled.config
    try:
        states = verbs.status(world, config)
    except WeaverError as error:
        yield trouble("services", str(error), "`scripts/stop_all.sh`, then `scripts/start_all.sh`")
        return
    if all(state.state == "STOPPED" for state in states):
        yield warning("services", "no weaver runs", START)
        return
    if not supervisord.is_alive(world):
        yield trouble("services", "supervisord is gone: what ends is not started again", MEND)
    yield from map(_service, states)
    starting = {state.name for state in states if _starts(state)}
    troubles = {
        **_of_taverns(patrolled),
        TASKMASTER: vitals.taskmaster(world),
        VAULT: vitals.vault(world),
    }
    for name, sentence in troubles.items():
        if sentence and name not in starting:
            yield trouble(name, sentence, f"`manage.py weave --restart {name}`")


def _of_taverns(patrolled: Patrolled) -> dict[str, str]:
    """Of each process that serves the pages: why it does not answer, empty where it does."""
    world, config = patrolled.world, patrolled.config
    ports = {service.name: service.port for service in services(config) if service.port}
    return {
        name: identity.trouble(world, TAVERN, config.bind, port, seconds=ASK_SECONDS)
        for name, port in ports.items()
        if name.partition("-")[0] == TAVERN
    }


def _starts(state: ServiceState) -> bool:
    """Whether it need not answer yet. One that starts for too long the guardian calls stuck."""
    is_young = state.uptime_seconds is not None and state.uptime_seconds < vitals.STARTING_SECONDS
    return is_young or state.health == guarded.STARTING


def _service(state: ServiceState) -> Finding:
    what, sentence = f"service {state.name}", state.state.lower()
    if state.runs:
        return ok(what, sentence)
    remedy = _REMEDIES.get(state.state, "`manage.py weave --start {name}`").format(name=state.name)
    return trouble(what, f"{sentence}: {state.why}" if state.why else sentence, remedy)
