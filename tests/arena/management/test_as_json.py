"""Every command that lists or shows something says it as JSON, too; of a row just what the trainer trains."""

from __future__ import annotations

import io
import json
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from arena import embedded
from arena.models import Battle, Quest
from arena.preview import tokens
from arena.rows.masking import ChatMask
from arena.rows.parse import Row, read_rows
from arena.rows.tokenizer import HeroTokenizer
from arena.training import data
from guild.models import Run
from guild.tasks import selectors
from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint
from tests.support.local_gate import admit_one
from tests.watchtower.factories import append_steps, record
from vault.index import scan

pytestmark = pytest.mark.django_db

SHOWING = ("list", "show", "status", "available", "compare")
ROWS = """{"conversations": [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2", "reasoning": "twice 1"}]}
{"prompt": "née", "completion": "a", "label": false}
{"text": "née"}
"""
WORDS = [
    "arena/quest list",
    "arena/quest template", "arena/quest template chat",
    "arena/quest show QUEST", "arena/quest show QUEST --row 1", "arena/quest show QUEST --rows 1:2",
    "arena/quest show QUEST --packed 1", "tavern/battle status", "tavern/battle step q-0 1",
    "arena/checkpoint_cleanup --dry-run",
    "arena/place", "arena/estimate QUEST", "arena/evaluate --list",
    "arena/lineage", "watchtower/preset list", "watchtower/preset show standard",
    "watchtower/preset save mine epochs=2", "watchtower/preset use mine", "watchtower/preset use standard",
    "watchtower/preset delete mine",
    "arena/spar --status", "arena/validate_queue", "arena/source list", "arena/source show queue",
    "arena/source show completed", "arena/source show skills", "arena/source show inbox", "arena/stats show",
    "sentinels/healthcheck", "sentinels/patrol --only disk", "realm/weave --status", "guild/curriculum show",
    "guild/runs list", "guild/runs show 1",
    "guild/runs compare 1 2", "guild/skill list", "guild/skill show bin", "guild/skill check bin --level 1 --count 5",
    "guild/worker --list",
    "guild/taskmaster --status", "guild/tasks list", "guild/tasks status", "guild/tasks available",
    "vault/vault scan", "arena/ledger list", "arena/ledger show 7", "arena/ledger best", "arena/ledger verify 7",
    "arena/ledger compare 7 7", "arena/ledger export 7 QUEST.model --adapter",
    "arena/ledger protect 7", "arena/ledger unprotect 7", "arena/ledger promote 7", "arena/ledger unpin",
    "arena/ledger delete 6 --yes", "vault/treasury trash", "vault/treasury undo", "vault/treasury dry-run",
    "vault/treasury apply", "vault/treasury empty", "vault/vault locate checkpoint_7",
    "vault/vault verify checkpoint_7", "vault/vault copies", "vault/vault strongholds list",
    "vault/vault zones", "vault/vault history", "watchtower/scry",
    "watchtower/timeline", "watchtower/chronicle list",
    "watchtower/machines", "watchtower/machines --history", "watchtower/machines --energy",
    "watchtower/settings show", "watchtower/settings show max_length",
    "watchtower/settings set epochs 2", "watchtower/settings reset epochs", "watchtower/settings backups",
    "watchtower/settings calculate",
    "realm/logs", "sentinels/notices list", "sentinels/notices events", "sentinels/notices log",
    "vault/tokens list", "vault/tokens new --purpose read", "tavern/account new mira",
    "arena/hero list", "arena/hero show", "arena/hero create KNIGHT", "arena/hero retire KNIGHT",
    "arena/hero restore KNIGHT",
    "tavern/battle list", "tavern/battle show newest", "tavern/battle efficiency", "tavern/battle note newest",
    "tavern/battle tag newest good", "tavern/battle delete newest", "tavern/battle stop-all",
    "tavern/account password mira", "tavern/account list", "tavern/account sessions mira",
    "tavern/achievements", "tavern/away", "tavern/battle pause", "tavern/battle resume", "tavern/battle stop",
    "tavern/battle skip", "arena/quest retry q", "arena/quest force q", "arena/quest discard q",
    "arena/quest add QUEST", "guild/runs stop 1",
    "guild/runs delete 1", "guild/forge --skill bin --count 10 --background",
    "guild/trial --checkpoints base --skills bin --background", "guild/curriculum set bin priority=2",
    "guild/tasks set all idle_percent=20",
]  # fmt: skip
ELSEWHERE = {
    "arena/ledger undo", "vault/vault fetch", "vault/vault copy", "vault/vault drop", "vault/vault push",
    "vault/vault pull", "vault/vault snapshot", "vault/vault rehearse", "vault/vault restore", "arena/stats export",
    "arena/train", "sentinels/notices test", "watchtower/settings restore", "arena/hero switch", "arena/hero branch",
    "arena/hero match", "tavern/battle compare", "tavern/battle report", "tavern/battle repeat",
    "tavern/battle restore", "tavern/battle rate", "arena/quest hold", "arena/quest release", "arena/quest move",
    "arena/quest cancel", "arena/quest recipe", "guild/runs again", "arena/ledger go-on-from",
}  # fmt: skip
"""They need an entry, another place or a database on disk (tests/vault asks them), a file (test_stats.py), an address
(tests/sentinels/notices), another hero (tests/arena/roster), two battles or one with an order (tests/tavern/battles),
a battle that is fought, a quest or run in another state (the acts beside them are the same code), or take long
(test_train.py)."""


@pytest.fixture
def quest(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "q.jsonl"
    path.write_text(ROWS)
    return path


def printed(words: str, quest: Path) -> Any:
    """What a command prints, as JSON; some end with an exit code that says what they found."""
    out = io.StringIO()
    try:
        call_command(*words.replace("QUEST", str(quest)).split(), "--json", stdout=out)
    except (CommandError, SystemExit):
        if not out.getvalue():
            raise
    return json.loads(out.getvalue())


def parsers(name: str, app: str) -> Iterator[tuple[str, ArgumentParser]]:
    """The parser of a command, or those of its actions, each with its words."""
    parser = load_command_class(app, name).create_parser("manage.py", name)
    actions = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    found = {f"{name} {word}": one for action in actions for word, one in action.choices.items()}
    yield from (found or {name: parser}).items()


def own_parsers() -> dict[str, ArgumentParser]:
    own = {name: app for name, app in get_commands().items() if (CHECKOUT / str(app)).is_dir()}
    return {f"{app}/{words}": parser for name, app in own.items() for words, parser in parsers(name, str(app))}


def test_every_command_that_shows_has_it_and_stands_in_the_table() -> None:
    found = {
        words for words, parser in own_parsers().items() if any("--json" in a.option_strings for a in parser._actions)
    }
    named = {words for words in own_parsers() if words.split()[-1] in SHOWING}
    assert named <= found
    for words in found - ELSEWHERE:
        assert any(known.split()[: len(words.split())] == words.split() for known in WORDS), words


@pytest.mark.slow
def test_every_document_is_json(quest: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors.available, "__kwdefaults__", {"pause": lambda seconds: None})
    for number in (1, 2):
        Run.objects.create(kind=Run.Kind.FORGE, title=f"t{number}", created_by="me", parameters={"level": number})
    call_command("quest", "add", str(quest), stdout=io.StringIO())
    admit_one(world)
    for step, loss in ((5, 1.0), (6, 2.5)):
        make_checkpoint(world.heroes, step, train_loss=loss)
    make_checkpoint(world.heroes, 7, mode="lora")
    scan(world)
    Battle.objects.create(battle_id="q-0", quest=Quest.objects.get(), hero="DIO", started_at="2026-01-01T00:00Z")
    (world.battles / "q-0").mkdir()
    append_steps(world, "q-0", [record(1)])
    for words in WORDS:
        assert isinstance(printed(words.partition("/")[2], quest), list | dict), words


def test_a_list_holds_what_the_table_shows(quest: Path, world: World) -> None:
    call_command("quest", "add", str(quest), stdout=io.StringIO())
    admit_one(world)
    (listed,) = printed("quest list", quest)
    assert (listed["name"], listed["rows"], listed["state"]) == ("q", 3, Quest.objects.get().state)


def trained_of(quest: Path, line: int) -> tuple[list[int], list[bool]]:
    """What the trainer's own loading makes of a row."""
    mask = ChatMask(HeroTokenizer.load(embedded.SOURCE))
    row = next(row for row in read_rows(quest) if isinstance(row, Row) and row.line == line)
    found = mask.tokenize(row.content)
    example = data.shift(line, found.input_ids, found.trained)
    return found.input_ids, [False, *(label >= 0 for label in example.labels.tolist())]


@pytest.mark.parametrize("line", [1, 3])
def test_a_row_is_the_trainers_tokens(quest: Path, line: int) -> None:
    shown = printed(f"quest show QUEST --row {line}", quest)
    ids, trained = trained_of(quest, line)
    assert [token["id"] for token in shown["tokens"]] == ids
    labels = [token["trained"] for token in shown["tokens"]]
    assert labels[: len(trained)] == trained
    assert not any(labels[len(trained) :])
    if line == 1:
        assert shown["text"].endswith("<think>\ntwice 1\n</think>\n\n2<|im_end|>\n")
        said = "".join(token["text"] for token in shown["tokens"] if token["trained"])
        assert said == "<think>\ntwice 1\n</think>\n\n2<|im_end|>"


def test_another_model_may_be_named(quest: Path, tmp_path: Path) -> None:
    hero = printed("quest show QUEST --row 1", quest)
    assert printed(f"quest show QUEST --row 1 --model {embedded.SOURCE}", quest) == hero
    with pytest.raises(CommandError, match=r"holds no tokenizer\.json"):
        printed(f"quest show QUEST --row 1 --model {tmp_path}", quest)


def test_a_refused_row_is_an_error_with_its_reason(quest: Path) -> None:
    with pytest.raises(CommandError, match="label: False marks an answer to be avoided") as refused:
        printed("quest show QUEST --row 2", quest)
    assert refused.value.returncode == 1


def test_twin_that_shows_all_tokens_as_trained(quest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tokens.Token
    monkeypatch.setattr(tokens, "Token", lambda token, text, trained: shown(token, text, True))
    with pytest.raises(AssertionError):
        test_a_row_is_the_trainers_tokens(quest, 1)
