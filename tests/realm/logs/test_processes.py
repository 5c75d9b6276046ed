"""In whose name a process logs, and what its parent takes for its last words."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import manage
from realm.logs.configuration import start
from realm.world import World


@pytest.mark.parametrize(
    ("words", "service"),
    [
        ("arena", "arena"), ("taskmaster --daemon", "taskmaster"), ("taskmaster --status", "commands"),
        ("trainer bin", "trainer-bin"), ("trainer ../x", "commands"), ("quest add x", "commands"), ("", "commands"),
        ("bridge tensorboard --follow", "bridge-tensorboard"), ("bridge wandb --all", "commands"),
    ],
)  # fmt: skip
def test_a_command_line_logs_as_its_service(words: str, service: str) -> None:
    assert manage.service_of(words.split()) == service


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """The loggers of this process, after a test has configured them."""
    root, names = (
        logging.getLogger(),
        ("realm", "arena", "guild", "vault", "watchtower", "sentinels", "tavern", "httpx2"),
    )
    before = root.level, root.handlers[:], {name: logging.getLogger(name).level for name in names}
    yield
    for handler in root.handlers:
        handler.close()
    root.level, root.handlers[:] = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def words_of_a_child(world: World, capsys: pytest.CaptureFixture[str], *, heard: bool) -> str:
    start(world, "trainer", heard=heard)
    log = logging.getLogger("arena.training")
    log.info("news")
    log.warning("a fault of the battle", extra={"battle": "q-1"})
    log.error("no room")
    return capsys.readouterr().err


@pytest.mark.usefixtures("as_it_was")
def test_last_words_are_troubles_alone(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realm.logs.configuration.log_uncaught", lambda: None)
    assert words_of_a_child(world, capsys, heard=True) == "no room\n"
    assert len((world.logs / "trainer" / "trainer.jsonl").read_text().splitlines()) == 3
    assert "news" in words_of_a_child(world, capsys, heard=False)  # the twin: a console as all others are
