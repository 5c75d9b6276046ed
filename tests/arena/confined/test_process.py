"""A model that runs in a confined child: as if it ran here, unless it takes too much."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.confined import process
from arena.confined.mask import ConfinedMask, mask_of
from arena.confined.process import Children
from arena.rows.masking import ChatMask
from arena.rows.model import Message
from arena.rows.overrun import Overrun
from arena.rows.tokenized import MaskingError
from arena.rows.tokenizer import HeroTokenizer
from tests.support.hostile_models import HOSTILE

pytestmark = pytest.mark.slow

WORD = [Message("user", "open sesame")]
CHAT = (Message("user", "What is 20+22?"), Message("assistant", "42 🙂"))
SECONDS = 1.0


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    """Of this test alone, and impatient ones."""
    own = Children()
    monkeypatch.setattr("arena.confined.mask.CHILDREN", own)
    monkeypatch.setattr(process, "LONGEST_SECONDS", SECONDS)
    yield own
    own.end()


@pytest.fixture(scope="module")
def hostile(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loops for hours at a word, and is as any other without it."""
    folder = shutil.copytree(tiny_base, tmp_path_factory.mktemp("hostile") / "hero")
    HOSTILE["template at a word: loops in loops"].make(folder)
    return folder


def test_rows_are_read_as_in_this_process(tiny_base: Path) -> None:
    confined, here = mask_of(tiny_base), ChatMask(HeroTokenizer.load(tiny_base))
    assert confined.facts == here.facts
    assert confined.tokenize_many([CHAT, "plain text"]) == here.tokenize_many([CHAT, "plain text"])
    assert confined.prompt_ids(CHAT[:1]) == here.prompt_ids(CHAT[:1])
    assert confined.rendered(CHAT) == here.rendered(CHAT)
    (row,) = here.tokenize_many([CHAT])
    assert not isinstance(row, MaskingError)
    assert confined.pieces(row.input_ids, row.trained) == here.pieces(row.input_ids, row.trained)


def test_a_template_that_loops_is_ended_and_nobody_else_waits(hostile: Path, tiny_base: Path) -> None:
    mask, other = mask_of(hostile), mask_of(tiny_base)
    raised: list[str] = []

    def ask() -> None:
        with pytest.raises(MaskingError) as error:
            mask.prompt_ids(WORD)
        raised.append(str(error.value))

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        assert other.prompt_ids(WORD)
        asking.join(0.1)
    assert raised == [f"the model {hostile}: its chat template or tokenizer ran for more than 1 s"]
    assert mask.prompt_ids([Message("user", "hello")]), "the next one is answered, by a new child"


def test_twin_without_the_limit_it_loops_on(hostile: Path, children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = mask_of(hostile)
    monkeypatch.setattr(process, "LONGEST_SECONDS", 1000.0)
    raised: list[MaskingError] = []

    def ask() -> None:
        try:
            mask.prompt_ids(WORD)
        except MaskingError as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(2 * SECONDS)
    assert asking.is_alive()
    child = children.child_of(mask.digest)._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    asking.join()
    assert "the system ended what examined it" in str(raised[0])


@pytest.mark.parametrize("name", ["template: multiplied string", "template: doubled string"])
def test_a_template_that_eats_memory_is_refused(tiny_base: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "hero")
    HOSTILE[name].make(folder)
    with pytest.raises(Overrun, match=r"needed too much memory|ran for more than"):
        mask_of(folder)


def test_files_that_changed_are_not_read_as_the_model_that_was_loaded(
    tiny_base: Path, tmp_path: Path, children: Children
) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "hero")
    mask = mask_of(folder)
    before = mask.prompt_ids(WORD)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert mask.prompt_ids(WORD) == before
    children.end()
    with pytest.raises(MaskingError, match="has changed since it was loaded"):
        mask.prompt_ids(WORD)
    assert ConfinedMask(folder, folder, mask.digest) == mask
