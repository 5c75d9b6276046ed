"""A host answers the evaluation sets for checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from guild.errors import GuildError
from guild.evaluation.answers import AnswerRecord
from guild.evaluation.checkpoints import Chosen
from guild.evaluation.exam import SPARE_TOKENS
from guild.evaluation.hosting import on_host
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.models import EvaluationTask
from guild.skills.registry import get_skill
from realm.checkpoints import sidecar
from realm.hosts import Host
from realm.oracle.sync_client import HostDown, HostTrouble, LoadedModel, OracleClient
from realm.world import World


class HostClient:
    """The first host that answers, with one checkpoint loaded at a time."""

    def __init__(self, world: World, hosts: Sequence[Host], *, note: Callable[[str], None]) -> None:
        self._world, self._hosts, self._note = world, list(hosts), note
        self._client: OracleClient | None = None
        self._of_host, self._of_model = ExitStack(), ExitStack()
        self._model: LoadedModel | None = None
        self._loaded = ("", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._of_model.close()
        self._of_host.close()

    @property
    def answers(self) -> bool:
        """Whether a host is there; asked of each once."""
        while self._client is None and self._hosts:
            try:
                client = self._of_host.enter_context(OracleClient(self._hosts[0]))
                client.health()
                self._client = client
            except HostTrouble as trouble:
                self._leave_host(str(trouble))
        return self._client is not None

    def ask(self, task: EvaluationTask) -> AnswerRecord:
        """Raises HostTrouble, or GuildError for a checkpoint or a set that is not there."""
        if not (self._world.heroes / task.hero / task.checkpoint / sidecar.SIDECAR).exists():
            raise GuildError(f"{task.checkpoint} was deleted before its turn to be evaluated came")
        skill = get_skill(task.skill)
        path = ensure_evaluation_set(self._world, skill, task.level)
        problems = read_evaluation_set(path, skill=task.skill, level=task.level)
        longest = max(len(problem.answer.encode()) for problem in problems)
        host, started = self._hosts[0].id, time.monotonic()
        EvaluationTask.objects.filter(pk=task.pk).update(host=host)
        answers = self._answer(task, [problem.prompt for problem in problems], longest + SPARE_TOKENS)
        return AnswerRecord(
            hero=task.hero,
            checkpoint=task.checkpoint,
            step=task.step,
            skill=task.skill,
            level=task.level,
            answers=tuple(answers),
            answered_by=host,
            branch=task.branch,
            seconds=time.monotonic() - started,
        )

    def _answer(self, task: EvaluationTask, prompts: list[str], max_new_tokens: int) -> list[str]:
        assert self._client is not None
        try:
            return self._client.answer(self._load(task), prompts, max_new_tokens=max_new_tokens)
        except HostDown as trouble:
            self._leave_host(str(trouble))
            raise

    def _load(self, task: EvaluationTask) -> LoadedModel:
        if self._model is None or self._loaded != (task.hero, task.checkpoint):
            assert self._client is not None
            self._of_model.close()
            self._model = None
            chosen = Chosen(name=task.checkpoint)
            self._model = self._of_model.enter_context(on_host(self._client, hero=task.hero, chosen=chosen))
            self._loaded = (task.hero, task.checkpoint)
        return self._model

    def _leave_host(self, trouble: str) -> None:
        self._note(trouble)
        self._hosts.pop(0)
        self._client = self._model = None
        self._of_model.close()
        self._of_host.close()
