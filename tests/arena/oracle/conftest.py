from collections.abc import Iterator

import pytest

from realm.world import World
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import RunningOracle


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Base model, two full checkpoints, two adapters on the base, one on a full checkpoint; not to be changed."""
    world = heroes.make_world(tmp_path_factory.mktemp("oracle") / "world")
    first = heroes.add_full(world, 5)
    heroes.add_full(world, 10)
    heroes.add_adapter(world, 15)
    heroes.add_adapter(world, 20)
    heroes.add_adapter(world, 25, on=first)
    return world


@pytest.fixture(scope="session")
def running(stocked: World) -> Iterator[RunningOracle]:
    """A host of that world with steps 0, 5 and 15 loaded, which tests leave so."""
    with heroes.oracle(stocked) as host:
        for step in (0, 5, 15):
            host.load(step)
        yield host
