"""What a task waits for. Each condition says in one sentence why not, and nothing where it is met."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guild.evaluation import answers
from guild.evaluation.set_making import is_anything_missing
from guild.models import EvaluationTask
from guild.tasks.load import Arena, Load, gpu_of
from guild.tasks.task_settings import Rules
from realm import hosts
from realm.checkpoints.names import step_of
from realm.config import RealmConfig
from realm.health import GOOD
from realm.hosts import Host
from realm.machine import wire
from realm.machine.machine import Machine
from realm.strict import BadConfig
from realm.world import PRIORITIES, World
from realm.yaml_files import read_yaml

ASK_SECONDS = 30.0
"""A host's health is asked for at most this often."""
TIMEOUT_SECONDS = 2.0
MOST_LOOKED_AT = 50
"""Of the evaluation queue, in search of answers that wait for a judge."""


@dataclass(frozen=True)
class Answer:
    """What a host said of its health."""

    trouble: str = ""
    """Why it does not answer; empty where it does."""
    device: str = ""
    """Such as `cpu` or `cuda:0`; empty where it does not say."""
    machine: Machine | None = None
    """What its machine did then; None for an older release."""


class Hosts:
    """The inference hosts and whether they answer, remembered for a while."""

    def __init__(self, world: World, config: RealmConfig, *, ask: Callable[[Host], Answer] | None = None) -> None:
        self._world, self._config, self._ask = world, config, ask or _ask
        self._said: dict[str, tuple[float, Answer]] = {}

    def known(self) -> list[Host]:
        """The default one first. Raises strict.BadConfig."""
        return hosts.list_hosts(self._world, oracle_port=self._config.oracle_port)

    def default(self) -> Host:
        """The one that a task asks. Raises strict.BadConfig."""
        return hosts.get_host(None, self._world, oracle_port=self._config.oracle_port)

    def health(self, host: Host, now: float) -> Answer:
        at, said = self._said.get(host.url, (None, Answer()))
        if at is None or not 0 <= now - at < ASK_SECONDS:
            said = self._ask(host)
            self._said[host.url] = (now, said)
        return said


def _ask(host: Host) -> Answer:
    # With it comes an HTTP library that a Task Master on a busy machine never needs.
    from realm.oracle.sync_client import HostTrouble, OracleClient

    try:
        with OracleClient(host, timeout_seconds=TIMEOUT_SECONDS) as client:
            said = client.health()
    except HostTrouble as error:
        return Answer(trouble=str(error))
    if said.get("status") not in GOOD:
        return Answer(trouble=f"the host {host.id} is {said.get('status')}")
    return Answer(device=str(said.get("device") or ""), machine=wire.parse(said.get(wire.KEY), now=time.time()))


@dataclass(frozen=True, kw_only=True)
class View:
    """What is known when a task's turn is considered."""

    world: World
    config: RealmConfig
    rules: Rules
    load: Load
    arena: Arena
    hosts: Hosts
    now: float


Condition = Callable[[View], str]


def why_not(names: Sequence[str], view: View) -> str:
    """The first sentence against it; empty where nothing is."""
    try:
        return next((why for name in names if (why := CONDITIONS[name](view))), "")
    except BadConfig as error:
        return str(error)


def _always(view: View) -> str:
    return ""


def _idle(view: View) -> str:
    """The processors of a machine without GPU, all GPUs of one that has some."""
    if view.load.gpu_percents:
        return next((why for at in range(len(view.load.gpu_percents)) if (why := _gpu_busy(view, at))), "")
    return _cpu_busy(view)


def _gpu_busy(view: View, at: int) -> str:
    percents = view.load.gpu_percents
    percent = percents[at] if at < len(percents) else None
    if percent is None:
        return f"a battle is fought, and GPU {at} does not tell its use" if view.arena.trains else ""
    limit = view.rules.idle_percent
    return f"GPU {at} is used to {percent:.0f}%, idle is below {limit}%" if percent >= limit else ""


def _cpu_busy(view: View) -> str:
    if view.arena.trains:
        return "a battle is fought on this machine, which has no GPU to spare"
    percent, limit = view.load.cpu_percent, view.rules.idle_percent
    if percent is None:
        return "the load of the processors is not known yet"
    return f"the processors are used to {percent:.0f}% by others, idle is below {limit}%" if percent >= limit else ""


def _host_trouble(view: View, host: Host) -> str:
    """A host on another machine takes nothing from the hero. One that shares the trainer's is not asked in vain."""
    if not host.trainer_local:
        said = view.hosts.health(host, view.now)
        return said.trouble or _busy_elsewhere(view, host, said)
    if not view.load.gpu_percents and (why := _cpu_busy(view)):
        return why
    said = view.hosts.health(host, view.now)
    if said.trouble or not view.load.gpu_percents:
        return said.trouble
    at = gpu_of(said.device)
    return _gpu_busy(view, at) if at is not None else _idle(view)


def _busy_elsewhere(view: View, host: Host, said: Answer) -> str:
    """By the GPU that it answers with, or any of them where it does not say which; what is not told stops nothing."""
    gpus = said.machine.gpus if said.machine else None
    at = gpu_of(said.device, visible="")
    meant = [gpu for gpu in gpus or () if at in (None, gpu.index)] if said.device != "cpu" else []
    limit = view.rules.idle_percent
    busy = next((gpu for gpu in meant if gpu.use_percent is not None and gpu.use_percent >= limit), None)
    return f"GPU {busy.index} of {host.id} is used to {busy.use_percent:.0f}%, idle is below {limit}%" if busy else ""


def _oracle(view: View) -> str:
    return _host_trouble(view, view.hosts.default())


def _oracle_answers(view: View) -> str:
    return view.hosts.health(view.hosts.default(), view.now).trouble


def _evaluator(view: View) -> str:
    return _any_evaluator(view, lambda host: _host_trouble(view, host))


def _evaluator_answers(view: View) -> str:
    return _any_evaluator(view, lambda host: view.hosts.health(host, view.now).trouble)


def _any_evaluator(view: View, why: Callable[[Host], str]) -> str:
    if _answers_wait(view):  # for their judge, who is no host
        return ""
    reasons = []
    for host in view.hosts.known():
        if host.evaluates:
            reasons.append(why(host))
            if not reasons[-1]:
                return ""
    return reasons[0] if reasons else "no host may evaluate (evaluates: true in hosts.yaml); the hero does it itself"


def _answers_wait(view: View) -> bool:
    waiting = EvaluationTask.objects.filter(state=EvaluationTask.State.WAITING).order_by("step", "id")
    paths = (
        answers.path_of(view.world, task.hero, task.checkpoint, task.skill, task.level)
        for task in waiting[:MOST_LOOKED_AT]
    )
    return any(path.exists() for path in paths)


def _evaluations_wait(view: View) -> str:
    waiting = EvaluationTask.objects.filter(state=EvaluationTask.State.WAITING).exists()
    return "" if waiting else "no checkpoint waits to be evaluated"


def _answers_arrived(view: View) -> str:
    arrived = EvaluationTask.objects.filter(state=EvaluationTask.State.DONE, answered__isnull=False).exists()
    return "" if arrived else "workers evaluate; no answers of theirs have arrived"


def _playing(view: View) -> str:
    if not view.config.autoplay:
        return "auto-play is off"
    return "" if view.arena.plays else f"the arena is {view.arena.state}"


def _checkpoint(view: View) -> str:
    folder = view.world.heroes / view.config.hero
    found = folder.is_dir() and any(step_of(path.name) is not None for path in folder.iterdir())
    return "" if found else f"{view.config.hero} has no checkpoint yet"


def _strongholds(view: View) -> str:
    known = read_yaml(view.world.strongholds_file)
    return "" if any(keys is not None for keys in known.values()) else "there is no stronghold to copy to"


def _sets_missing(view: View) -> str:
    missing = is_anything_missing(view.world, view.config.hero)
    return "" if missing else "every evaluation and validation set is there"


def _queue_filled(view: View) -> str:
    lanes = (view.world.lane(priority) for priority in PRIORITIES)
    return "" if any(path.is_file() for lane in lanes for path in lane.iterdir()) else "no quest waits"


CONDITIONS: Mapping[str, Condition] = {
    "always": _always,
    "idle": _idle,
    "oracle": _oracle,
    "oracle_answers": _oracle_answers,
    "evaluator": _evaluator,
    "evaluator_answers": _evaluator_answers,
    "evaluations_wait": _evaluations_wait,
    "answers_arrived": _answers_arrived,
    "playing": _playing,
    "checkpoint": _checkpoint,
    "strongholds": _strongholds,
    "sets_missing": _sets_missing,
    "queue_filled": _queue_filled,
}
