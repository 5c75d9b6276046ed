"""Two machines train one hero: one is cut off and comes back, and the battle ends in the bits of an undisturbed one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from arena.daemon.trainer.process import Group, TrainerProcess
from arena.protocol import EventKind, ExitCode
from realm.world import CHECKOUT, World
from tests.arena.training.test_group import RECIPE, TIMEOUT_SECONDS, begin, order_in, steps_of, wait_for
from tests.support.runs import digests, events_of
from tests.support.servers import free_port

NAME = "gpubox"


@contextmanager
def machine(world: World, address: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "arena.training.machines", address, "--name", NAME]
    with subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | {"REALM_HOME": str(world.home)}) as node:
        try:
            yield node
        finally:
            node.kill()


@pytest.fixture
def group(world: World) -> Iterator[TrainerProcess]:
    trainer = TrainerProcess(world, lambda: None)
    trainer.group = Group.of(replace(RECIPE, processes=1, nodes=(NAME,)), f"127.0.0.1:{free_port()}")
    yield trainer
    trainer.shut_down()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_that_dies_is_named_and_the_battle_goes_on_when_it_is_back(
    world: World, group: TrainerProcess, tmp_path: Path
) -> None:
    calm, stormy = order_in(tmp_path / "calm"), order_in(tmp_path / "stormy")
    with machine(world, group.group.node_address) as node:
        begin(group, calm)
        wait_for(lambda: group.ready)
        assert events_of(calm)[-1].kind == EventKind.BATTLE_COMPLETED
        group.run(Path(stormy.battle_folder) / "order.json")
        wait_for(lambda: steps_of(stormy) > 5)
        ranks = psutil.Process(node.pid).children(recursive=True)
        node.kill()
    wait_for(lambda: group.exit_code is not None)
    assert group.exit_code == ExitCode.MACHINE_LOST
    assert group.last_lines(1) == f"the machine {NAME} has hung up"
    assert psutil.wait_procs(ranks, timeout=TIMEOUT_SECONDS)[1] == []
    group.reap()

    group.start()
    wait_for(lambda: group.missing)
    assert group.missing.startswith(
        f"The battle waits for the machine {NAME} to join it; there: manage.py node 127.0.0.1:"
    )
    with machine(world, group.group.node_address):
        wait_for(lambda: group.ready)
        assert group.missing == ""
        group.run(Path(stormy.battle_folder) / "order.json")
        wait_for(lambda: events_of(stormy)[-1].kind == EventKind.BATTLE_COMPLETED)
    assert digests(stormy) == digests(calm)
