"""Asking a model on an inference host: which one, what it reads of a conversation, and its answer, which is kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings

from realm.checkpoints import branches
from realm.checkpoints.branches import AmbiguousStep
from realm.config import is_hero_name
from realm.hosts import Host, UnknownHost
from realm.oracle.client import AsyncOracle, Ending, find_loaded
from realm.oracle.errors import Ambiguous, HostTrouble, NotLoaded, TooLong, WrongModel
from realm.oracle.wire import LoadedModel, Turn
from realm.strict import BadConfig
from tavern.achievements.counted import note_questions
from tavern.oracle import history, hosts
from tavern.oracle.requests import ChatOrder, LoadOrder


@dataclass(frozen=True, kw_only=True)
class Read:
    """What the model reads before the question."""

    turns: int
    forgotten: int
    """Oldest exchanges of the conversation that did not fit into the model's context and were not read."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a whole answer ends with."""

    ending: Ending
    read: Read


def _selector(order: LoadOrder, host: Host) -> dict[str, Any]:
    """A foreign host knows steps only by its own models' names, of the hero that its entry names.

    Once the hero has branches, a step without a name means the active one's checkpoint. Raises Ambiguous.
    """
    hero = order.hero or host.hero or settings.REALM.hero
    name = (order.name or _meant(hero, order.step)) if host.is_realm or host.is_engine else None
    return {"hero": hero, "step": order.step, "name": name}


def _meant(hero: str, step: int) -> str | None:
    folder = settings.WORLD.heroes / hero
    if not is_hero_name(hero) or not branches.read(folder).branches:
        return None
    try:
        found = branches.at_step(folder, step)
    except AmbiguousStep as error:
        raise Ambiguous(f"{error}.") from error
    return found.name if found else None


@dataclass(frozen=True, kw_only=True)
class Answering:
    """An answer that has begun: the model is there, and its first word has come."""

    order: ChatOrder
    host: Host
    model: LoadedModel
    read: Read
    pieces: AsyncGenerator[str | Told, None]


async def load(order: LoadOrder) -> tuple[Host, LoadedModel]:
    """Raises HostTrouble, UnknownHost, strict.BadConfig."""
    host = await hosts.find_host(order.host)
    async with AsyncOracle(host) as oracle:
        return host, await oracle.load(**_selector(order, host))


async def unload(order: LoadOrder) -> Host:
    """Raises HostTrouble, UnknownHost, strict.BadConfig."""
    host = await hosts.find_host(order.host)
    async with AsyncOracle(host) as oracle:
        await oracle.unload(**_selector(order, host))
    return host


async def begin(order: ChatOrder) -> Answering:
    """Raises HostTrouble, UnknownHost, strict.BadConfig, history.AnotherQuestion."""
    host = await _host_of(order)
    pieces = _answer(order, host)
    model, read = await anext(pieces), await anext(pieces)
    assert isinstance(model, LoadedModel)
    assert isinstance(read, Read)
    return Answering(
        order=order, host=host, model=model, read=read, pieces=cast(AsyncGenerator[str | Told, None], pieces)
    )


async def whole(answering: Answering) -> tuple[str, Told]:
    pieces = [piece async for piece in answering.pieces]
    (told,) = (piece for piece in pieces if isinstance(piece, Told))
    return "".join(piece for piece in pieces if isinstance(piece, str)), told


async def _host_of(order: ChatOrder) -> Host:
    """A question to a host that cannot be had is kept as well."""
    try:
        return await hosts.find_host(order.host)
    except (UnknownHost, BadConfig) as trouble:
        if order.conversation:
            await sync_to_async(history.keep)(order, host=order.host or "", model=None, trouble=str(trouble))
        raise


async def _answer(order: ChatOrder, host: Host) -> AsyncGenerator[LoadedModel | Read | str | Told, None]:
    """Who answers, what it reads, the pieces, the ending. All is kept as far as it came, and why it came no further.

    Each piece has proven whose it is; words of whoever was not asked are thrown away.
    """
    said: list[str] = []
    model, read, ending, trouble = None, None, None, ""
    try:
        async with AsyncOracle(host) as oracle:
            model = await _found(oracle, order, host)
            yield model
            turns = await sync_to_async(history.turns)(order)
            async with aclosing(_fitting(oracle, model, turns, order)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Read):
                        read = piece
                        yield piece
                    elif isinstance(piece, Ending):
                        ending = piece
                    else:
                        said.append(piece)
                        yield piece
    except HostTrouble as error:
        trouble = str(error)
        if isinstance(error, WrongModel):
            said.clear()
        raise
    finally:
        if order.conversation:
            await sync_to_async(history.keep)(
                order, host=host.id, model=model, text="".join(said), ending=ending, trouble=trouble,
                earlier_turns=read.turns if read else None,
            )  # fmt: skip
    await sync_to_async(note_questions)(settings.WORLD, settings.REALM.hero)
    assert read
    assert ending
    yield Told(ending=ending, read=read)


async def _found(oracle: AsyncOracle, order: ChatOrder, host: Host) -> LoadedModel:
    wanted = _selector(order, host)
    if order.load and host.is_engine:  # one that is down may be starting
        return await oracle.load(**wanted)
    try:
        return find_loaded(await oracle.loaded(), **wanted)
    except NotLoaded:
        if not (order.load and host.is_realm):
            raise
        return await oracle.load(**wanted)


async def _fitting(
    oracle: AsyncOracle, model: LoadedModel, turns: list[Turn], order: ChatOrder
) -> AsyncGenerator[Read | str | Ending, None]:
    """What is read, the pieces, the ending; the older half of what was said is left out until the rest fits."""
    exchanges = left = len(turns) // 2
    while True:
        try:
            async with aclosing(oracle.chat(model, turns[-2 * left - 1 :], order)) as pieces:  # type: ignore[type-var]
                first = await anext(pieces)
                yield Read(turns=2 * left, forgotten=exchanges - left)
                yield first
                async for piece in pieces:
                    yield piece
            return
        except TooLong:
            if left == 0:
                raise
            left //= 2
