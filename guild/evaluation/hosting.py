"""A checkpoint on a host for as long as it is asked, and questions to it in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from guild.evaluation.checkpoints import Chosen
from guild.evaluation.exam import SPARE_TOKENS
from guild.trainers.problems import Problem
from realm.hosts import read_hosts
from realm.oracle.errors import HostTrouble, NotLoaded
from realm.world import World

if TYPE_CHECKING:
    from realm.oracle.sync_client import LoadedModel, OracleClient

BATCH = 32
"""Questions asked at once: a stop is heard between two batches."""


def connect(world: World, host: str | None) -> OracleClient:
    """To the host of that name, or the default one. Raises realm.hosts.UnknownHost and strict.BadConfig."""
    from realm.oracle.sync_client import OracleClient  # 7 MB, which pages and daemons do without

    return OracleClient(read_hosts(world).find_inference(host))


@contextmanager
def on_host(client: OracleClient, *, hero: str, chosen: Chosen) -> Iterator[LoadedModel]:
    """Load it, and unload it afterwards unless it was there before. Raises HostTrouble."""
    before = {model.id for model in client.loaded()}
    if chosen.name is not None:
        model = client.load(hero=hero, name=chosen.name)
    else:
        model = client.load(hero=hero, step=chosen.step)
    try:
        yield model
    finally:
        if model.id not in before:
            with suppress(HostTrouble):  # what was answered is answered
                client.unload(hero=hero, step=model.step)


def ask(client: OracleClient, model: LoadedModel, problems: Sequence[Problem]) -> Iterator[list[tuple[Problem, str]]]:
    """Batches of problems with the answers to them. Raises HostTrouble."""
    longest = answer_tokens(problems)
    for begin in range(0, len(problems), BATCH):
        batch = problems[begin : begin + BATCH]
        answers = _answers(client, model, [problem.prompt for problem in batch], longest)
        yield list(zip(batch, answers, strict=True))


def _answers(client: OracleClient, model: LoadedModel, prompts: list[str], max_new_tokens: int) -> list[str]:
    """Somebody else who asks the same host may have unloaded the model, or had it make room, since the last batch."""
    try:
        return client.answer(model, prompts, max_new_tokens=max_new_tokens)
    except NotLoaded:
        client.load(hero=model.hero, step=model.step, name=model.name if model.step else None)
        return client.answer(model, prompts, max_new_tokens=max_new_tokens)


def answer_tokens(problems: Sequence[Problem]) -> int:
    """Enough for the longest right answer: no tokenizer makes more tokens of a text than the text has bytes."""
    return max((len(problem.answer.encode()) for problem in problems), default=0) + SPARE_TOKENS
