"""Commands are taken in the order of giving; rubbish among them is set aside, said and stops nobody."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realm.disk import mailbox
from realm.disk.mailbox import Damaged, Mailbox
from realm.world import World
from tests.support.rubbish import KINDS


@dataclass(frozen=True, kw_only=True)
class Word:
    text: str


BOX = Mailbox(Word, ".word.json", plain={".hush": Word(text="hush")})


def texts(world: World, box: Mailbox[Word] = BOX) -> list[str]:
    return [word.text for _, word in box.waiting(world)]


def sift(world: World, box: Mailbox[Word] = BOX) -> tuple[list[str], list[str]]:
    """The texts that are taken, and what is said of the rest."""
    said: list[str] = []
    return [word.text for _, word in box.waiting(world, on_damaged=said.append)], said


def test_in_the_order_of_giving_files_without_a_number_by_their_time(world: World) -> None:
    for text in "abc":
        BOX.leave(world, Word(text=text))
    first, _, last = sorted(world.control.glob("*.word.json"))
    between = (int(first.name[:20]) + int(last.name[:20])) // 2
    (world.control / "by-hand.word.json").write_text('{"text": "by hand"}')
    os.utime(world.control / "by-hand.word.json", ns=(0, between))
    (world.control / ".hush").touch()
    os.utime(world.control / ".hush", ns=(0, int(last.name[:20]) + 1))
    assert sorted(texts(world)[:3]) == sorted(["a", "b", "by hand"])
    assert texts(world)[3:] == ["c", "hush"]


def test_files_keep_their_names_and_shapes(world: World) -> None:
    path = BOX.leave(world, Word(text="ü"), label="loud")
    number, pid, rest = path.name.split("-", 2)
    assert (len(number), pid, rest) == (20, str(os.getpid()), "loud.word.json")
    assert BOX.leave(world, Word(text="ü")).name.endswith(f"-{os.getpid()}.word.json")
    assert json.loads(path.read_bytes()) == {"text": "ü"}
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


@pytest.mark.parametrize("name", ["x.word.json", ".hush"])
@pytest.mark.parametrize("kind", KINDS)
def test_rubbish_is_set_aside_and_said_and_its_neighbour_is_taken(world: World, kind: str, name: str) -> None:
    rubbish = world.control / name
    KINDS[kind](rubbish)
    if not rubbish.is_symlink():
        os.utime(rubbish, (1, 1))
    BOX.leave(world, Word(text="good"))
    if name == ".hush" and rubbish.is_file() and not rubbish.is_symlink():
        assert texts(world) == ["hush", "good"], "what stands in it means nothing"
        return
    assert texts(world) == ["good"]
    assert os.path.lexists(rubbish), "whoever only looks changes nothing"
    taken, said = sift(world)
    assert taken == ["good"]
    assert len(said) == 1
    assert name in said[0]
    (aside,) = world.control.glob(f"{name}.damaged-*")
    assert aside.name in said[0]
    assert not os.path.lexists(rubbish)
    assert sift(world) == (["good"], [])


def read_plainly(path: Path, **_: Any) -> Any:
    return json.loads(path.read_bytes())


@pytest.mark.parametrize("kind", ["cut off", "deeply nested", "not UTF-8", "empty", "a long number"])
def test_twin_a_plain_reader_is_stopped(world: World, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "read_json", read_plainly)
    KINDS[kind](world.control / "x.word.json")
    with pytest.raises((ValueError, RecursionError)):
        sift(world)


def test_what_is_too_long_is_not_read_into_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.control / "x.word.json"
    path.write_text(json.dumps({"text": "x" * mailbox.LARGEST_BYTES}))
    assert sift(world)[0] == []
    with pytest.raises(ValueError, match="longer than"):
        BOX.leave(world, Word(text="x" * mailbox.LARGEST_BYTES))
    # Twin: without the bound it is taken.
    path.write_text(json.dumps({"text": "x" * mailbox.LARGEST_BYTES}))
    (taken,), _ = sift(world, Mailbox(Word, ".word.json", largest_bytes=2 * mailbox.LARGEST_BYTES))
    assert len(taken) == mailbox.LARGEST_BYTES


def test_a_link_is_not_followed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").write_text('{"text": "from elsewhere"}')
    link = world.control / "x.word.json"
    link.symlink_to(tmp_path / "elsewhere")
    assert texts(world) == []
    monkeypatch.setattr(os, "O_NOFOLLOW", 0)  # twin
    assert texts(world) == ["from elsewhere"]


def test_a_pipe_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = world.control / "x.word.json"
    os.mkfifo(pipe)
    with pytest.raises(Damaged, match="no plain file"):
        mailbox.read_json(pipe)
    monkeypatch.setattr(os, "O_NONBLOCK", 0)  # twin
    waits = threading.Thread(target=texts, args=(world,))
    waits.start()
    waits.join(0.3)
    assert waits.is_alive()
    os.close(os.open(pipe, os.O_WRONLY))
    waits.join()


def _refusing(code: int) -> Callable[..., int]:
    real = os.open

    def refuse(path: Any, *given: Any, **more: Any) -> int:
        if str(path).endswith("x.word.json"):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *given, **more)

    return refuse


def test_what_may_not_be_read_is_set_aside_and_what_cannot_be_just_now_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.control / "x.word.json"
    path.write_text('{"text": "x"}')
    BOX.leave(world, Word(text="good"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", _refusing(24))  # EMFILE
        assert sift(world) == (["good"], [])
    assert path.exists()
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", _refusing(13))  # EACCES
        taken, said = sift(world)
    assert (taken, len(said)) == (["good"], 1)
    assert not path.exists()


def test_a_name_of_any_length_and_spelling_can_be_set_aside(world: World) -> None:
    long = world.control / ("x" * 245 + ".word.json")
    odd = Path(os.fsdecode(os.fsencode(world.control) + b"/\xff\n.word.json"))
    for path in (long, odd):
        path.write_text("{")
    _, said = sift(world)
    assert len(said) == 2
    assert all(sentence.encode().count(b"\n") == 0 for sentence in said)
    assert sift(world) == ([], [])


def test_what_cannot_be_renamed_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.control / "x.word.json").write_text("{")
    BOX.leave(world, Word(text="good"))

    def refuse(*_: Any) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(mailbox.durable, "rename", refuse)
    assert sift(world) == (["good"], [])


@pytest.mark.parametrize("most", [3, 1000])
def test_of_a_flood_only_so_many_are_opened_at_once(world: World, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    for number in range(10):
        (world.control / f"{number:020d}-x.word.json").write_text("{")
    BOX.leave(world, Word(text="good"))
    monkeypatch.setattr(mailbox, "MOST_AT_ONCE", most)
    looks = []
    while not looks or looks[-1][0] == []:
        looks.append(sift(world))
    # The twin with room for all does not stop in between.
    assert [len(said) for _, said in looks] == ([3, 3, 3, 1] if most == 3 else [10])


def test_a_world_without_the_folder_has_no_commands(tmp_path: Path) -> None:
    assert texts(World(tmp_path / "none")) == []
