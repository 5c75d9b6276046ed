"""A worker: it says that it lives, takes jobs of its machine's resources, and ends with whoever asks it to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast

import psutil
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException

from guild.errors import GuildError
from guild.models import Worker
from guild.tasks.conditions import Hosts, View, why_not
from guild.tasks.load import LoadMeter, read_arena
from guild.tasks.task_settings import read_rules
from guild.workers import jobs
from guild.workers.acts import Station
from guild.workers.resources import Resource
from realm.config import RealmConfig
from realm.disk import locks
from realm.processes import notify
from realm.world import World

log = logging.getLogger(__name__)

UPKEEP = "upkeep"
AGAIN_SECONDS = 2.0
"""Until a server that is away is asked again."""
GRACEFUL_SECONDS = 0.5
"""A job is cut off when the worker ends, and waits for another one: what it has done so far is kept."""


def serve(world: World, config: RealmConfig, *, host: str, resources: Sequence[Resource]) -> None:
    """Work until SIGTERM or Ctrl+C. Raises GuildError where a worker of this world has one of the resources."""
    name = f"{host}/{'+'.join(map(str, resources))}"
    with _alone(world, resources):
        try:
            while not _work(world, config, name, host, resources):
                time.sleep(AGAIN_SECONDS)
        finally:
            with suppress(DatabaseError):  # a row of a worker that is gone is known by its silence
                Worker.objects.filter(name=name, pid=os.getpid()).delete()


def _work(world: World, config: RealmConfig, name: str, host: str, resources: Sequence[Resource]) -> bool:
    """Whether it was asked to end; else the server is away, and what the worker had begun is begun anew."""
    try:
        asyncio.run(_serve(world, config, name, host, resources))
    except (ConnectorException, DatabaseError) as error:
        log.error("%s: the database does not answer, and is asked again: %s", name, error.__cause__ or error)
        connection.close()
        return False
    return True


@contextmanager
def _alone(world: World, resources: Sequence[Resource]) -> Iterator[None]:
    with ExitStack() as held:
        for resource in resources:
            try:
                held.enter_context(locks.only_one(world.control / f"worker-{resource}.lock"))
            except locks.Taken as pid:
                raise GuildError(f"{resource} is served by another worker of {world.home}, process {pid}") from None
        yield


async def _serve(world: World, config: RealmConfig, name: str, host: str, resources: Sequence[Resource]) -> None:
    station = Station(world, name, {resource.queue(host): resource for resource in resources})
    connector = cast(DjangoConnector, app.connector).get_worker_connector()
    with app.replace_connector(connector) as own:
        async with own.open_async():
            await jobs.begin_left_anew(own.job_manager, station.resources)
            telling = asyncio.create_task(_tell(world, config, name, host, resources))
            try:
                await _until_asked(
                    own.run_worker_async(
                        queues=[*station.resources, UPKEEP],
                        name=name,
                        concurrency=len(resources) + 1,
                        fetch_job_polling_interval=1.0,
                        shutdown_graceful_timeout=GRACEFUL_SECONDS,
                        delete_jobs="successful",
                        additional_context={"station": station},
                        update_heartbeat_interval=jobs.HEARTBEAT_SECONDS,
                        stalled_worker_timeout=jobs.SILENT_SECONDS,
                        install_signal_handlers=False,
                    )
                )
            finally:
                telling.cancel()


async def _until_asked(work: Coroutine[Any, Any, None]) -> None:
    """Returns after SIGTERM or SIGINT. Raises DatabaseError where the library gives up, which says nothing then."""
    working, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.cancel)
    try:
        await working
    except asyncio.CancelledError:
        return
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    raise DatabaseError("the worker's connections have ended")


async def _tell(world: World, config: RealmConfig, name: str, host: str, resources: Sequence[Resource]) -> None:
    """For those who look for workers; whether the job is its own still, the library's heartbeat says."""
    machine = _Machine(world, config)
    row = {"host": host, "resources": [str(each) for each in resources], "pid": os.getpid(), "started_at": Now()}
    while True:
        busy = await asyncio.to_thread(machine.busy)
        try:
            await sync_to_async(_put)(name, row | {"busy": busy})
            row.pop("started_at", None)  # said once
            notify.beat()
        except (DatabaseError, ConnectorException) as error:
            log.error("%s cannot say that it lives: %s", name, error)
            await sync_to_async(connection.close)()
        await asyncio.sleep(jobs.HEARTBEAT_SECONDS)


def _put(name: str, row: dict[str, object]) -> None:
    told = row | {"heartbeat_at": Now()}
    Worker.objects.update_or_create(name=name, defaults=told, create_defaults={"started_at": Now()} | told)


class _Machine:
    """What else it does; while a job of ours runs, that is not to be told from it, and nobody need know."""

    def __init__(self, world: World, config: RealmConfig) -> None:
        self._world, self._config = world, config
        self._meter = LoadMeter()

    def busy(self) -> str:
        """One sentence; empty where the machine is idle."""
        if psutil.Process().children():
            self._meter = LoadMeter()
            return ""
        now = time.time()
        view = View(
            world=self._world,
            config=self._config,
            rules=read_rules(self._config),
            load=self._meter.look(now, [psutil.Process()]),
            arena=read_arena(self._world, now),
            hosts=Hosts(self._world, self._config),
            now=now,
        )
        return why_not(["idle"], view)
