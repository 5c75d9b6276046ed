"""The ledger of another machine has the interface of this one's, and nothing that it answers is believed unread."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint
from tests.support.servers import environment, free_port
from tests.support.stub_host import Raw, Stub, stub_host
from vault.errors import Refused, Unreachable
from vault.index import scan
from vault.ledger import Ledger, RemoteLedgerClient, get_ledger, get_ledger_client, remote
from vault.ledger.entries import record
from vault.ledger.summary import summarize

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def served(world: World) -> Iterator[tuple[Stub, RemoteLedgerClient]]:
    """A stub that answers as the vault's API does, of two checkpoints."""
    make_checkpoint(world.heroes, 100, train_loss=0.5)
    make_checkpoint(world.heroes, 190000)
    scan(world)
    ledger = get_ledger()
    first, second = (json.loads(json.dumps(record(entry))) for entry in reversed(ledger.list_all()))
    with stub_host() as stub:
        stub.replies |= {
            "GET /api/ledger?limit=1": (200, {"checkpoints": [second], "count": 2}),
            "GET /api/ledger?limit=20": (200, {"checkpoints": [second, first], "count": 2}),
            "GET /api/ledger/190000": (200, second | {"of a later release": 1}),
            "GET /api/ledger/best?metric=train_loss": (200, first),
            "GET /api/ledger/best?metric=nonsense": (
                422,
                {"success": False, "error": "metric 'nonsense' is not known"},
            ),
            "GET /api/ledger/summary": (200, summarize(ledger)),
        }
        yield stub, RemoteLedgerClient(f"{stub.url}/api/ledger/")


def test_it_answers_as_the_local_one(served: tuple[Stub, RemoteLedgerClient]) -> None:
    _, client = served
    ledger = get_ledger()
    assert client.is_available()
    assert client.get_latest() == ledger.get_latest()
    assert client.get_best(metric="train_loss") == ledger.get_best(metric="train_loss")
    assert client.list_all(limit=20) == ledger.list_all(limit=20)
    found = client.get(190000)
    assert found == ledger.get(190000)
    assert found is not None
    assert (found.train_loss, found.canonical_name) == (1.5, "checkpoint-190000-20260101-1230")
    assert client.get(7) is None
    with pytest.raises(ValueError, match="metric 'nonsense' is not known"):
        client.get_best("nonsense")


def test_the_first_documents_names_are_understood(served: tuple[Stub, RemoteLedgerClient]) -> None:
    _, client = served
    for entry in (client.get(190000), get_ledger().get(190000)):
        assert entry is not None
        assert (entry.loss, entry.skill_name, entry.skill_level) == (1.5, "bin", 1)
        assert entry.training_file == "bin-level-1-0001.jsonl"
        told = record(entry)
        assert (told["loss"], told["skill_name"], told["skill_level"]) == (1.5, "bin", 1)


def test_a_token_goes_along_and_who_has_none_is_told(served: tuple[Stub, RemoteLedgerClient]) -> None:
    stub, _ = served
    stub.replies["GET /api/ledger?limit=20&hero=EVA"] = (401, {"error": "a token is needed"})
    client = RemoteLedgerClient(f"{stub.url}/api/ledger", hero="EVA", token="rot_abc")
    with pytest.raises(Refused, match="a token is needed"):
        client.list_all()
    assert stub.seen[-1][1]["Authorization"] == "Bearer rot_abc"


RUBBISH: dict[str, Any] = {
    "no JSON": Raw(body=b"<html>"),
    "no list": (200, {"checkpoints": 7}),
    "a list of numbers": (200, {"checkpoints": [1]}),
    "a loss that is a text": (200, {"checkpoints": [{"train_loss": "low"}]}),
    "an error": (500, {}),
    "deep": Raw(body=b"[" * 100_000),
    "a redirect": Raw(status=302, headers=(("Location", "http://127.0.0.1/"),)),
    "compressed": Raw(headers=(("Content-Encoding", "gzip"),)),
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish_is_refused_in_words(served: tuple[Stub, RemoteLedgerClient], kind: str) -> None:
    stub, client = served
    stub.replies["GET /api/ledger?limit=20"] = RUBBISH[kind]
    with pytest.raises(Unreachable):
        client.list_all()


def test_nobody_there(world: World) -> None:
    client = RemoteLedgerClient(f"http://127.0.0.1:{free_port()}/api/ledger")
    assert not client.is_available()
    with pytest.raises(Unreachable, match="does not answer"):
        client.get(1)


def test_one_that_is_being_started_is_asked_again(served: tuple[Stub, RemoteLedgerClient]) -> None:
    stub, client = served
    replies = iter([(503, {}), (503, {}), stub.replies["GET /api/ledger?limit=20"]])
    stub.replies["GET /api/ledger?limit=20"] = lambda body: next(replies)
    assert len(client.list_all()) == 2


def test_twin_an_impatient_client_gives_up(
    served: tuple[Stub, RemoteLedgerClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, client = served
    monkeypatch.setattr(remote, "_BUSY", frozenset())
    replies = iter([(503, {}), stub.replies["GET /api/ledger?limit=20"]])
    stub.replies["GET /api/ledger?limit=20"] = lambda body: next(replies)
    with pytest.raises(Unreachable):
        client.list_all()


def test_the_trainers_machine_reads_its_own_and_others_ask_it(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALM_HOME", str(world.home))
    assert isinstance(get_ledger_client(), Ledger)
    (world.home / "hosts.yaml").write_text(
        "4090: {host: 192.0.2.90, role: trainer, services: {ledger: {}}, token_file: 4090.token}"
    )
    (world.secrets / "4090.token").write_text("rot_abc\n")
    client = get_ledger_client("EVA")
    assert isinstance(client, RemoteLedgerClient)
    assert (client.url, client.hero) == ("http://192.0.2.90:8767/api/ledger", "EVA")
    assert client._headers == {"Authorization": "Bearer rot_abc"}
    (world.secrets / "4090.token").unlink()
    with pytest.raises(Refused, match="its token cannot be read"):
        get_ledger_client()


@pytest.mark.slow
def test_a_remote_ledger_needs_no_django(world: World) -> None:
    script = (
        "import sys; from vault.ledger import RemoteLedgerClient, get_ledger_client, extract_step; "
        "RemoteLedgerClient('http://127.0.0.1:1').hero; assert 'django' not in sys.modules; "
        "from vault.ledger import get_ledger; print(get_ledger().hero)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment(world), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("DIO\n", "")
