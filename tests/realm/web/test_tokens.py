"""A token opens what it is for, in its time, and nothing of it lies on the disk."""

from __future__ import annotations

import hmac
import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from realm.web import tokens
from realm.web.tokens import BadTokens, KnownToken, TokenStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / tokens.FILE


@pytest.fixture
def store(path: Path, clock: Clock) -> TokenStore:
    return TokenStore(path, now=clock)


def test_a_secret_is_shown_once_and_kept_nowhere(store: TokenStore, path: Path) -> None:
    issued = store.issue("zone", "3090", 30)
    assert issued.secret.startswith("rot_")
    assert len(issued.secret) == 4 + 43
    assert issued.secret not in path.read_text() + repr(issued)
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.list() == [issued.token]
    assert issued.token.token_id == issued.secret[:12]


@pytest.mark.parametrize(
    ("purpose", "opens"),
    [
        ("read", {"read"}), ("api", {"read", "api"}), ("zone", {"zone"}), ("chat", {"chat"}),
        ("oracle", {"chat", "oracle"}),
    ],
)  # fmt: skip
def test_it_opens_what_it_is_for(store: TokenStore, purpose: str, opens: set[str]) -> None:
    secret = store.issue(purpose).secret
    assert {asked for asked in tokens.PURPOSES if store.check(secret, asked)} == opens


def test_one_for_a_zone_is_for_no_other(store: TokenStore) -> None:
    secret, any_zone = store.issue("zone", "3090").secret, store.issue("zone").secret
    assert store.check(secret, "zone", zone="3090")
    assert store.check(secret, "zone", zone="nas") is None
    assert store.check(any_zone, "zone", zone="nas")


@pytest.mark.parametrize(
    "end", [lambda s: s[:-1], lambda s: s + "A", lambda s: s.swapcase(), lambda s: "", lambda s: "ä" * 47]
)
def test_another_secret_opens_nothing(store: TokenStore, end: object) -> None:
    secret = store.issue("api").secret
    assert callable(end)
    assert store.check(end(secret), "read") is None


def expired(store: TokenStore, clock: Clock) -> KnownToken | None:
    secret = store.issue("api", days=1).secret
    assert store.check(secret, "api")
    clock.time += timedelta(days=1)
    return store.check(secret, "api")


def revoked(store: TokenStore, clock: Clock) -> KnownToken | None:
    """By another process."""
    issued = store.issue("api")
    assert store.check(issued.secret, "api")
    TokenStore(store._path).revoke(issued.token.token_id)
    return store.check(issued.secret, "api")


@pytest.mark.parametrize("check", [expired, revoked])
def test_after_its_time_it_opens_nothing(store: TokenStore, clock: Clock, check: object) -> None:
    assert callable(check)
    assert check(store, clock) is None


@pytest.mark.parametrize("check", [expired, revoked])
def test_twin_without_the_look_at_its_state_it_would_open(
    store: TokenStore, clock: Clock, check: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownToken, "state", lambda token, now: "valid")
    assert callable(check)
    assert check(store, clock) is not None


def test_twin_without_the_comparison_any_secret_would_open(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.issue("api")
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: True)
    assert store.check("rot_anything", "api") is not None


def test_its_last_use_is_written_down_once_a_minute(store: TokenStore, path: Path, clock: Clock) -> None:
    secret = store.issue("api").secret
    for _ in range(3):
        store.check(secret, "api")
        clock.time += timedelta(seconds=21)
    assert store.list()[0].last_used_at == NOON
    store.check(secret, "api")
    assert store.list()[0].last_used_at == NOON + timedelta(seconds=63)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": [{}]}', '{"format_version": 2}'])
def test_a_damaged_file_opens_nothing_and_is_not_written_over(store: TokenStore, path: Path, text: str) -> None:
    secret = store.issue("api").secret
    path.write_text(text)
    assert store.check(secret, "api") is None
    for act in (store.list, lambda: store.issue("api"), lambda: store.revoke("rot_12345678")):
        with pytest.raises(BadTokens, match=r"tokens\.json"):
            act()
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [(("all",), "purpose 'all' is not allowed"), (("api", "", 0), "days"), (("api", "", float("nan")), "days"),
     (("api", "3090"), "for no zone alone")],
)  # fmt: skip
def test_what_cannot_be_is_refused(store: TokenStore, asked: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BadTokens, match=sentence):
        store.issue(*asked)  # type: ignore[arg-type]


def _issue_some(path: Path) -> None:
    for _ in range(5):
        TokenStore(path).issue("read")


def test_processes_that_make_tokens_at_once_lose_none(path: Path) -> None:
    makers = [multiprocessing.get_context("fork").Process(target=_issue_some, args=(path,)) for _ in range(3)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({entry["token_id"] for entry in json.loads(path.read_text())["tokens"]}) == 15


@pytest.mark.parametrize(
    ("header", "secret"),
    [("Bearer rot_x", "rot_x"), ("bearer  rot_x ", "rot_x"), ("Basic rot_x", ""), ("rot_x", ""), ("", "")],
)
def test_the_secret_of_a_header(header: str, secret: str) -> None:
    assert tokens.bearer(header) == secret
