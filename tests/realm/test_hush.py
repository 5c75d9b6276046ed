"""What commands say of skills that they were not asked about: nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import manage

LOGGERS = ("guild.skills.registry", "guild.skills.health")


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(("command", "tells"), [("forge", False), ("skill", False), ("", False), ("arena", True)])
def test_only_daemons_tell_their_log_of_skills(command: str, tells: bool) -> None:
    manage.hush(command)
    assert [logging.getLogger(name).isEnabledFor(logging.WARNING) for name in LOGGERS] == [tells, tells]
