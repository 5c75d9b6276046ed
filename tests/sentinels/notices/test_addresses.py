"""Which addresses are taken, where they are kept, and who sees them."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realm import config
from realm.world import World
from sentinels.notices import addresses, destinations, outbox, own_ports, texts
from sentinels.notices.errors import NoticeError
from sentinels.notices.outbox import Waiting
from sentinels.notices.sending import Answer
from tests.sentinels.notices.post_office import ADDRESS, Clock, Courier, say, told

SECRETS = ("someone", "sesame-open", "topsecret")


@pytest.mark.parametrize(
    "address",
    [
        "ntfys://ntfy.sh/dio", "ntfy://topic", "ntfy://192.168.1.5/dio", "discord://1234/AbC", "tgram://1:x/2",
        "mailtos://me:pw@example.org", "json://[::1]:9000/x", "JSONS://example.org/hook", "json://127.0.0.1:9000/",
    ],
)  # fmt: skip
def test_allowed(address: str) -> None:
    addresses.check(address, own_ports=(8888,))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("file:///etc/passwd", "'file' is not allowed"), ("exec://rm", "'exec' is not allowed"),
        ("dbus://", "such as"), ("syslog://x", "'syslog'"), ("windows://x", "'windows'"), ("gnome://x", "'gnome'"),
        ("macosx://x", "'macosx'"), ("mqtt://x", "'mqtt'"), ("https://hooks.example.org/x", "write jsons://"),
        ("json://169.254.169.254/latest", "clouds keep"), ("json://metadata.google.internal/x", "clouds keep"),
        ("json://[fe80::1]/", "clouds keep"), ("json://0.0.0.0/", "clouds keep"),
        ("json://localhost:8888/", "own servers"), ("json://[::ffff:127.0.0.1]:8888/", "own servers"),
        ("json://u:p@169.254.169.254\\@example.org/", "clouds keep"), ("json://127.0.0.1:8888/", "own servers"),
        ("json://a b", "such as"), ("json://a\nb", "such as"), ("", "such as"), ("json://" + "x" * 2000, "such as"),
    ],
)  # fmt: skip
def test_refused(address: str, why: str) -> None:
    with pytest.raises(NoticeError) as refusal:
        addresses.check(address, own_ports=(8888,))
    assert why in str(refusal.value)
    assert "latest" not in str(refusal.value)


def test_the_twin_without_the_rule_for_hosts_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "leads_to_forbidden", lambda url: False)
    addresses.check("json://169.254.169.254/latest", own_ports=())


def test_a_broken_file_is_not_quoted(world: World) -> None:
    (world.secrets / addresses.FILE).write_text(json.dumps({"addresses": {"phone": [ADDRESS]}}))
    with pytest.raises(NoticeError) as refusal:
        addresses.read(world)
    assert not any(secret in str(refusal.value) for secret in SECRETS)


def test_what_a_server_echoes_is_masked() -> None:
    said = f"no topic topsecret for someone, {ADDRESS[7:]}; try sesame%2Dopen"
    masked = addresses.without_secrets(said, ADDRESS)
    assert not any(secret in masked for secret in SECRETS)


@pytest.mark.django_db
def test_nobody_sees_an_address(world: World, caplog: pytest.LogCaptureFixture) -> None:
    clock, courier = Clock(), Courier(Answer(ok=False, words="refused"))
    follower = told(world, courier, clock, events=["fault"])
    say("fault", "one", clock=clock)
    follower.step()
    assert (world.secrets / addresses.FILE).stat().st_mode & 0o777 == 0o600
    shown = [run("list", "--json"), run("log", "--json"), run("list"), run("log"), caplog.text, repr(courier.orders)]
    shown += [path.read_text() for path in (world.home / "config.yaml", world.status / outbox.FILE)]
    assert not any(secret in text for text in shown for secret in SECRETS)
    assert json.loads(shown[0])["destinations"][0]["address"] == "json://•••"


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("notices", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.home / "config.yaml").write_text("# mine\nnotices: # told\n  time_zone: UTC\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{ADDRESS}\n"))
    run("add", "phone", "--quiet", "22:00-07:00")
    run("set", "phone", "--events", "fault, finding", "--digest", "hourly", "--urgent-at-once")
    (found,) = json.loads(run("list", "--json"))["destinations"]
    rules: dict[str, Any] = found["rules"]
    assert (rules["events"], rules["digest"], rules["quiet"]) == (["fault", "finding"], "hourly", "22:00-07:00")
    assert rules["urgent_breaks_quiet"]
    for words, why in (
        (("set", "phone", "--events", "level_upp"), "did you mean 'level_up'"),
        (("set", "phone", "--quiet", "22-7"), "22:00-07:00"),
        (("set", "fax", "--digest", "daily"), "there is no destination 'fax'; there are phone"),
        (("remove", "fax"), "there is no destination 'fax'"),
        (("test", "fax"), "there is no destination 'fax'"),
    ):
        with pytest.raises(CommandError, match=why):
            run(*words)
    run("remove", "phone")
    assert addresses.read(world) == {}
    text = (world.home / "config.yaml").read_text()
    assert "# mine" in text
    assert "# told" in text
    assert "phone" not in text


def test_the_test_shows_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    destinations.add(world, "phone", ADDRESS)
    courier = Courier()
    assert destinations.send_test(world, "phone", send=courier) == Answer(ok=True, status=200, words="200 OK")
    assert courier.orders[0].seconds < 10
    assert 8888 in courier.orders[0].own_ports


def event(message: str, name: str = "level_up") -> Waiting:
    return Waiting(entry=1, event=name, time=0.0, message=message)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("@everyone", "@\u200beveryone"), ("<!here>", "<\u200b!here>"), ("<@1234>", "<\u200b@\u200b1234>"),
        ("[gold](http://evil)", "[gold]\u200b(http://evil)"), ("a\r\nb\x00\u202ec", "a b c"), ("3 < 4", "3 < 4"),
    ],
)  # fmt: skip
def test_a_quests_name_calls_nobody(name: str, said: str) -> None:
    assert texts.compose("DIO", [event(name)]).body == said


def test_long_words_are_cut() -> None:
    message = texts.compose("DIO", [event("x" * 500, name) for name in texts.EVENTS], left_out=3, origin="https://a.b")
    assert len(message.title) <= texts.LONGEST_TITLE
    assert len(message.body) <= texts.LONGEST_BODY


def test_the_page_is_named_where_it_can_be_opened() -> None:
    assert texts.compose("DIO", [event("BIN 3")], origin="https://realm.example.org").body.splitlines() == [
        "BIN 3", "https://realm.example.org/"
    ]  # fmt: skip


def test_served_trainers_are_the_realms_own_servers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses_of = ("http://127.0.0.1:8090", "http://[::1]:8091", "http://192.168.1.9:8080", None)
    skills = [SimpleNamespace(api_url=url) for url in addresses_of]
    monkeypatch.setattr(own_ports, "read_skills", lambda: skills)
    found = own_ports.own_ports(replace(config.load(world), web_ports=(9001,)))
    assert {8888, 9001, 8090, 8091} <= set(found)
    assert 8080 not in found, "another machine's"
