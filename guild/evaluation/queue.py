"""Checkpoints that wait to be evaluated: a host answers, or a trainer has answered and the answers wait for a judge.

A task is claimed by one conditional update. Who works holds a shared lock, so that a process that finds itself alone
knows that whatever is still claimed was claimed by one that was killed. Answers are on disk before they are judged,
and their count before it is in the database: killed anywhere, nothing is asked twice and nothing is lost.

Workers on other machines share no lock. Each claims in the name of its job, which the next one that has the job takes
over; what it writes counts only while the claim is its own, and its answers lie in the row, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from guild.errors import GuildError, TrainerUnavailable
from guild.evaluation import answers
from guild.evaluation.answers import AnswerRecord
from guild.evaluation.judging import Judged, Verdict, count_correct, remember
from guild.models import Evaluation, EvaluationTask
from guild.skills.health import trainer_of
from guild.workers.claims import Claim, ClaimLost
from realm import strict
from realm.checkpoints.branches import FIRST
from realm.disk import locks
from realm.hosts import Host, list_hosts
from realm.oracle.errors import Damaged, HostTrouble
from realm.world import World

if TYPE_CHECKING:
    from guild.evaluation.host import HostClient

LOCK_FILE = "evaluation.lock"
MOST_ATTEMPTS = 5
"""A task that a host refused this often has failed. A host that is down refuses nothing."""
State = EvaluationTask.State
Tell = Callable[[Judged, Verdict], None]
"""Called in the transaction that writes the evaluation, once for each."""


@dataclass
class Report:
    """What one call of `process` came to."""

    done: int = 0
    failed: int = 0
    waiting: int = 0
    """Tasks that still wait afterwards."""
    troubles: list[str] = field(default_factory=list)
    """Why some wait or failed, one sentence each, none twice."""

    def note(self, trouble: str) -> None:
        if trouble not in self.troubles:
            self.troubles.append(trouble)


@dataclass(frozen=True)
class Share:
    """One checkpoint's tasks, which a worker does in the name of its job."""

    hero: str
    checkpoint: str
    claim: Claim


def enqueue(*, hero: str, checkpoint: str, step: int, skill: str, level: int, branch: str = FIRST) -> bool:
    """Whether there is a new task; there is none for what was evaluated or queued before."""
    what = {"hero": hero, "checkpoint": checkpoint, "skill": skill, "level": level}
    if Evaluation.objects.filter(**what).exists():
        return False
    _, is_new = EvaluationTask.objects.get_or_create(**what, defaults={"step": step, "branch": branch})
    return is_new


def take_answers(world: World, record: AnswerRecord) -> None:
    """Let answers wait for their judge, who may be slow or down; safe to repeat."""
    if answers.read(world, record.hero, record.checkpoint, record.skill, record.level) is None:
        answers.write(world, record)
    enqueue(
        hero=record.hero,
        checkpoint=record.checkpoint,
        step=record.step,
        skill=record.skill,
        level=record.level,
        branch=record.branch,
    )


def recover(world: World, tell: Tell = lambda judged, verdict: None) -> None:
    """Evaluations of a lost database, from the answers on disk; answers that nobody has judged are queued again."""
    known = set(Evaluation.objects.values_list("hero", "checkpoint", "skill", "level"))
    for record in answers.read_all(world):
        if (record.hero, record.checkpoint, record.skill, record.level) in known:
            continue
        judged = record.verdict()
        if judged is None:
            take_answers(world, record)
        else:
            _remember(judged, tell)


def bring_home(world: World, follow: Callable[[Judged], None] = lambda judged: None) -> int:
    """Write what workers on other machines have answered to this world's disk; how many.

    `follow` is called for each when it lies there. Raises OSError.
    """
    arrived = EvaluationTask.objects.filter(state=State.DONE, answered__isnull=False).order_by("step", "id")
    for task in arrived:
        record = _answered(task)
        assert record is not None
        if answers.read(world, record.hero, record.checkpoint, record.skill, record.level) is None:
            answers.write(world, record)
        if judged := record.verdict():
            follow(judged)
        EvaluationTask.objects.filter(pk=task.pk).update(answered=None)
    return len(arrived)


def evaluating_hosts(world: World) -> list[Host]:
    """Raises strict.BadConfig."""
    return [host for host in list_hosts(world) if host.evaluates]


def process(
    world: World,
    *,
    limit: int | None = None,
    hosts: Sequence[Host] | None = None,
    tell: Tell = lambda judged, verdict: None,
    share: Share | None = None,
) -> Report:
    """Answer and judge what waits, the oldest step first, until all is tried once. `hosts`: None means those that
    are set to evaluate; `share`: only this. Raises strict.BadConfig, and ClaimLost where the share is another's by now.
    """
    from guild.evaluation.host import HostClient  # takes a third of a second, and most who queue never ask a host

    report = Report()
    failed_before = EvaluationTask.objects.filter(state=State.FAILED).count()
    with (
        _at_work(world),
        HostClient(world, evaluating_hosts(world) if hosts is None else hosts, note=report.note) as client,
    ):
        silent: set[str] = set()
        for task in _waiting(limit, share):
            if task.skill in silent or not (client.answers or _has_answers(world, task)) or not _claim(task, share):
                continue
            try:
                _settle(world, task, client, tell)
                report.done += 1
            except TrainerUnavailable as trouble:
                silent.add(task.skill)
                report.note(_put_back(task, str(trouble), counts=False))
            except (Damaged, GuildError, ValueError) as trouble:
                report.note(_fail(task, str(trouble)))
            except HostTrouble as trouble:
                report.note(_put_back(task, str(trouble), counts=True))
    report.failed = EvaluationTask.objects.filter(state=State.FAILED).count() - failed_before
    report.waiting = EvaluationTask.objects.filter(state=State.WAITING).count()
    return report


@contextmanager
def _at_work(world: World) -> Iterator[None]:
    """The kernel frees the lock however this process ends."""
    with locks.opened(world.control / LOCK_FILE) as handle:
        if locks.try_lock(handle):  # else somebody is at work, and what is claimed may be his
            left = EvaluationTask.objects.filter(state=State.ANSWERING, claim="")
            left.update(state=State.WAITING, updated_at=timezone.now())
        locks.share(handle)
        yield


def _waiting(limit: int | None, share: Share | None) -> list[EvaluationTask]:
    """Those of one checkpoint after each other, so that it is loaded once."""
    free = EvaluationTask.objects.filter(_to_be_had(share))
    if share:
        free = free.filter(hero=share.hero, checkpoint=share.checkpoint)
    return list(free.order_by("step", "checkpoint", "id")[:limit])


def _to_be_had(share: Share | None) -> Q:
    waits = Q(state=State.WAITING)
    return waits | share.claim.mine_by_now(working=State.ANSWERING) if share else waits


def _claim(task: EvaluationTask, share: Share | None) -> bool:
    name = str(share.claim) if share else ""
    claimed = EvaluationTask.objects.filter(_to_be_had(share), pk=task.pk).update(
        state=State.ANSWERING, claim=name, attempts=F("attempts") + 1, updated_at=timezone.now()
    )
    task.claim = name
    task.attempts += claimed
    return bool(claimed)


def _put_back(task: EvaluationTask, reason: str, *, counts: bool) -> str:
    """It waits for another time; one that was refused too often has failed."""
    if counts and task.attempts >= MOST_ATTEMPTS:
        return _fail(task, f"given up after {task.attempts} attempts: {reason}")
    return _note(task, State.WAITING, reason, attempts=task.attempts - (not counts))


def _fail(task: EvaluationTask, reason: str) -> str:
    return _note(task, State.FAILED, reason, attempts=task.attempts)


def _note(task: EvaluationTask, state: EvaluationTask.State, reason: str, *, attempts: int) -> str:
    _own(task).update(state=state, reason=reason, attempts=attempts, updated_at=timezone.now())
    return reason


def _own(task: EvaluationTask) -> QuerySet[EvaluationTask]:
    """The row, while the claim on it is that of this process."""
    return EvaluationTask.objects.filter(pk=task.pk, state=State.ANSWERING, claim=task.claim)


def _has_answers(world: World, task: EvaluationTask) -> bool:
    return (
        task.answered is not None or answers.path_of(world, task.hero, task.checkpoint, task.skill, task.level).exists()
    )


def _settle(world: World, task: EvaluationTask, client: HostClient, tell: Tell) -> None:
    """Raises GuildError, HostTrouble, ClaimLost, or ValueError for names that are none."""
    record = answers.read(world, task.hero, task.checkpoint, task.skill, task.level) or _answered(task)
    if record is None:
        record = client.ask(task)
        _keep(world, task, record)
    if record.verdict() is None:
        with trainer_of(world, task.skill):
            counted = count_correct(
                world, checkpoint=task.checkpoint, skill=task.skill, level=task.level, answers=record.answers
            )
        record = record.judged(*counted)
        _keep(world, task, record)
    judged = record.verdict()
    assert judged is not None
    _remember(judged, tell, task)


def _answered(task: EvaluationTask) -> AnswerRecord | None:
    """What a worker elsewhere has found out before it died."""
    return task.answered and strict.read(AnswerRecord, task.answered, source=f"the answers of {task}")


def _keep(world: World, task: EvaluationTask, record: AnswerRecord) -> None:
    if task.claim and not _own(task).update(answered=asdict(record)):
        raise ClaimLost(f"{task.checkpoint} is evaluated by another worker")
    answers.write(world, record)


def _remember(judged: Judged, tell: Tell, task: EvaluationTask | None = None) -> None:
    with transaction.atomic():
        if task is not None and task.claim and not _own(task).select_for_update().exists():
            raise ClaimLost(f"{task.checkpoint} is evaluated by another worker")
        verdict = remember(judged)
        if verdict.evaluation_id is not None:
            tell(judged, verdict)
