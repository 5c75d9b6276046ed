"""The registry of inference hosts: what it reads, what it refuses, and in which words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from realm import hosts
from realm.hosts import UnknownHost, files, get_host, get_service_url, is_trainer_local, list_hosts, read_hosts
from realm.oracle import own_token
from realm.oracle.own_token import OracleTokens
from realm.strict import BadConfig
from realm.world import World

VLLM = """
box:
  kind: openai
  url: http://10.0.0.5:8000/v1/
  device: RTX 4090
  evaluates: true
  models: {0: Qwen/Qwen3-0.6B, 1000: dio-1000}
  token_file: box.token
"""


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A world folder; reading hosts needs no more of it."""
    return World(tmp_path)


def say(home: World, text: str) -> None:
    hosts.hosts_file(home).write_text(text, encoding="utf-8")


def test_the_shipped_host_is_this_worlds_own_oracle(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (local,) = list_hosts(home)
    assert (local.id, local.url, local.kind) == ("local", "http://127.0.0.1:8765", "realm")
    assert local.trainer_local
    assert not local.evaluates
    assert local.models == {}
    monkeypatch.setenv("REALM_ORACLE_PORT", "9003")
    assert get_service_url("inference", world=home) == "http://127.0.0.1:9003"
    assert get_host("local", home, oracle_port=9004).url == "http://127.0.0.1:9004"


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("192.168.1.5", "192.168.1.5"),
        ("localhost", "127.0.0.1"),
    ],
)
def test_this_worlds_own_servers_are_asked_where_they_listen(
    home: World, monkeypatch: pytest.MonkeyPatch, bind: str, address: str
) -> None:
    monkeypatch.setenv("REALM_ORACLE_BIND", bind)
    monkeypatch.setenv("REALM_VAULT_BIND", bind)
    assert get_service_url("inference", world=home) == f"http://{address}:8765"
    assert get_service_url("ledger", world=home) == f"http://{address}:8767/api/ledger"


def test_beyond_loopback_the_worlds_own_oracle_is_asked_with_the_worlds_own_token(
    home: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(home, "box: {url: 'http://10.0.0.9:8765'}\nnamed: {token_file: mine}\n")
    OracleTokens(home)
    assert [host.token_file for host in list_hosts(home)] == [None, None, home.secrets / "mine"]
    monkeypatch.setenv("REALM_ORACLE_BIND", "0.0.0.0")
    assert [host.token_file for host in list_hosts(home)] == [own_token.file_of(home), None, home.secrets / "mine"]


def test_without_arguments_the_world_of_the_environment_is_asked(
    home: World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("REALM_HOME", str(home.home))
    say(home, "local: {trainer_local: false}\n")
    assert not is_trainer_local()
    assert get_service_url("inference", "local") == "http://127.0.0.1:8765"


def test_a_world_adds_hosts_and_changes_single_keys(home: World) -> None:
    say(home, "local: {evaluates: true}\n" + VLLM)
    local, box = list_hosts(home)
    assert local.evaluates
    assert local.trainer_local
    assert box.url == "http://10.0.0.5:8000"
    assert box.models == {0: "Qwen/Qwen3-0.6B", 1000: "dio-1000"}
    assert (box.hero, box.token_file) == ("DIO", home.secrets / "box.token")
    assert get_host(None, home) == local


def test_a_world_takes_a_host_away(home: World) -> None:
    say(home, "local: null\n" + VLLM)
    assert [host.id for host in list_hosts(home)] == ["box"]
    assert get_host(None, home).id == "box"
    say(home, "local: null\n")
    with pytest.raises(BadConfig, match="no host is left"):
        list_hosts(home)


def test_an_unknown_host_or_service_is_told_with_the_known_ones(home: World) -> None:
    say(home, VLLM)
    with pytest.raises(UnknownHost, match=r"There is no host 'moon'. Known: local, box\."):
        get_host("moon", home)
    with pytest.raises(UnknownHost, match=r"There is no service 'moon'. Known: inference, tavern, vault, ledger, "):
        get_service_url("moon", world=home)
    with pytest.raises(UnknownHost, match=r"box has no service 'vault'. Known: inference\."):
        get_service_url("vault", "box", home)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("local: {urll: x}", r"hosts.yaml: local: unknown key 'urll'; .*did you mean 'url'"),
        (
            "local: {kind: tgi}",
            r"local: kind: 'tgi' is not allowed; allowed are realm, vllm, llamacpp, ollama, openai",
        ),
        ("local: 5", r"local: a mapping is expected, or null to take the host away, not 5"),
        ("'a b': {kind: realm}", r"'a b' is no host's name"),
        ("-5: {kind: realm}", r"-5 is no host's name"),
        ("true: {kind: realm}", r"True is no host's name"),
        ("5: {}\n'5': {}", r"the key '5' stands there twice, as a number and as a text"),
        ("local: {host: 'http://x'}", r"host: 'http://x' is no machine"),
        ("local: {host: 'x:8765'}", r"host: 'x:8765' is no machine"),
        ("local: {host: 169.254.169.254}", r"host: '169.254.169.254' is no machine"),
        ("local: {role: boss}", r"role: 'boss' is not allowed; allowed are trainer, inference, storage"),
        ("local: {services: {vault: {port: 0}}}", r"services.vault: port: 0 is no port"),
        ("local: {services: {vault: {path: api}}}", r"services.vault: path: 'api' is not allowed"),
        ("local: {services: {moon: {}}}", r"services: 'moon' needs a port"),
        (
            "box: {kind: openai, host: x, services: {vault: {}}, models: {0: x}}",
            r"url: a host of kind openai needs one",
        ),
        ("local: {url: 'ftp://x'}", r"local: url: 'ftp://x' is no server's address"),
        ("local: {url: 'http://'}", r"url: 'http://' is no server's address"),
        ("local: {url: 'http://x:99999'}", r"url: .*Port out of range"),
        ("local: {url: 'http://a:b@x:1'}", r"put a token into token_file"),
        ("local: {url: 'http://169.254.169.254'}", r"is where no inference host can be"),
        ("local: {url: 'http://[::ffff:169.254.169.254]:80'}", r"is where no inference host can be"),
        ("local: {url: 'http://2852039166'}", r"is where no inference host can be"),
        ("local: {host: 0251.0376.0251.0376}", r"is no machine"),
        ("local: {url: 'http://[64:ff9b::a9fe:a9fe]'}", r"is where no inference host can be"),
        ("local: {url: 'http://[fe80::1]'}", r"is where no inference host can be"),
        ("local: {url: 'http://[fd00:ec2::254]'}", r"is where no inference host can be"),
        ("local: {url: 'http://0.0.0.0:8765'}", r"is where no inference host can be"),
        ("local: {url: 'http://Metadata.Google.Internal.'}", r"is where no inference host can be"),
        ("local: {url: 'http://x:1/?a=b'}", r"has more than a path"),
        ("local: {timeout_seconds: 0}", r"timeout_seconds: 0.0 is not allowed; allowed is more than 0 to 3600"),
        ("local: {timeout_seconds: .inf}", r"timeout_seconds: inf is not allowed"),
        ("local: {connect_seconds: soon}", r"connect_seconds: a number is expected, not 'soon'"),
        ("local: {models: {0: x}}", r"models: only hosts of kind openai have it"),
        ("box: {kind: openai, models: {0: x}}", r"url: a host of kind openai needs one"),
        ("box: {kind: openai, url: 'http://x:1'}", r"models: a host of kind openai needs at least one"),
        ("box: {kind: openai, url: 'http://x:1', models: {last: x}}", r"models: 'last' is no step"),
        ("box: {kind: openai, url: 'http://x:1', models: {true: x}}", r"models: 'True' is no step"),
        ("box: {kind: openai, url: 'http://x:1', models: {-1: x}}", r"models: '-1' is no step"),
        ("box: {kind: openai, url: 'http://x:1', models: {0: x, 5: x}}", r"each step needs a model name of its own"),
        ("box: {kind: openai, url: 'http://x:1', models: {0: ''}}", r"each step needs a model name of its own"),
        ("box: {kind: openai, url: 'http://x:1', models: [x]}", r"models: a mapping is expected"),
        ("local: {}\nlocal: {}", r"the key 'local' stands there twice"),
        ("- local", r"hosts.yaml: a mapping is expected"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_is_allowed(home: World, text: str, told: str) -> None:
    say(home, text)
    (sentence,) = read_hosts(home).broken.values()
    assert re.search(told, sentence)
    assert str(hosts.hosts_file(home)) in sentence


def check_only_the_broken_one_is_gone(home: World) -> None:
    say(home, "fast: {kind: tgi}\n" + VLLM)
    registry = read_hosts(home)
    assert [host.id for host in registry.hosts] == ["local", "box"]
    assert list(registry.broken) == ["fast"]
    assert registry.trouble.endswith("'tgi' is not allowed; allowed are realm, vllm, llamacpp, ollama, openai.")
    assert list_hosts(home) == list(registry.hosts)
    assert get_host(None, home).id == "local"
    with pytest.raises(BadConfig, match="fast: kind: 'tgi' is not allowed"):
        get_host("fast", home)
    with pytest.raises(UnknownHost, match=r"There is no host 'moon'. Known: local, box\."):
        get_host("moon", home)


def test_a_broken_entry_takes_away_its_own_host_alone(home: World) -> None:
    check_only_the_broken_one_is_gone(home)


def test_twin_where_an_entry_is_not_read_on_its_own_it_takes_all(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hosts.entry_of

    def all_or_nothing(layer: Any) -> Any:
        try:
            return whole(layer)
        except BadConfig as error:
            raise RuntimeError(error) from error

    monkeypatch.setattr(hosts, "entry_of", all_or_nothing)
    with pytest.raises(RuntimeError):
        check_only_the_broken_one_is_gone(home)


def test_no_other_host_stands_in_for_a_broken_default(home: World) -> None:
    say(home, "local: {kind: tgi}\n" + VLLM)
    assert [host.id for host in list_hosts(home)] == ["box"]
    for name in (None, "local"):
        with pytest.raises(BadConfig, match="local: kind: 'tgi' is not allowed"):
            get_host(name, home)
    say(home, "local: {kind: tgi}\n")
    with pytest.raises(BadConfig, match="local: kind: 'tgi' is not allowed"):
        list_hosts(home)


@pytest.mark.parametrize("text", ["local: [", "- local", "local: {}\nlocal: {}", "box: {kind: openai\n\tx"])
def test_a_file_that_cannot_be_read_leaves_the_shipped_hosts(home: World, text: str) -> None:
    say(home, text)
    registry = read_hosts(home)
    assert [host.id for host in registry.hosts] == ["local"]
    assert list(registry.broken) == [""]
    assert get_host(None, home).url == "http://127.0.0.1:8765"
    with pytest.raises(BadConfig, match=r"hosts\.yaml"):
        get_host("box", home)


SEED = """
{"hosts": {
  "4090": {"name": "Training Server", "host": "192.168.7.5", "role": "trainer", "services": {
    "vault": {"port": 8767, "path": "/api"}, "ledger": {"port": 8767, "path": "/api/ledger"},
    "tavern": {"port": 8888}}},
  "3090": {"name": "Inference Server", "host": "192.168.7.6", "role": "inference", "models_dir": "/path/to/models",
           "services": {"inference": {"port": 8765}}}}}
"""


def check_machines(home: World) -> None:
    trainer, inference = get_host("4090", home), get_host("3090", home)
    assert (inference.name, inference.role, str(inference.models_dir)) == (
        "Inference Server", "inference", "/path/to/models",
    )  # fmt: skip
    assert {name: service.url for name, service in trainer.services.items()} == {
        "vault": "http://192.168.7.5:8767/api",
        "ledger": "http://192.168.7.5:8767/api/ledger",
        "tavern": "http://192.168.7.5:8888",
    }
    assert get_service_url("ledger", world=home) == "http://192.168.7.5:8767/api/ledger"
    assert get_service_url("inference", world=home) == "http://192.168.7.6:8765"
    assert get_service_url("inference", "local", home) == "http://127.0.0.1:8765"
    assert [host.id for host in list_hosts(home)] == ["local", "3090"]
    with pytest.raises(UnknownHost, match=r"4090 serves no inference. Known: local, 3090\."):
        read_hosts(home).find_inference("4090")


def test_machines_are_read_from_json_as_well_as_from_yaml(home: World) -> None:
    (home.home / "hosts.json").write_text(SEED)
    check_machines(home)
    (home.home / "hosts.json").unlink()
    say(home, re.sub(r'"(\d+)":', r"\1:", SEED.strip().removeprefix('{"hosts": ').removesuffix("}")))
    check_machines(home)


def test_twin_numbers_are_no_hosts_where_they_stay_numbers(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_read_file", files.read_yaml)
    say(home, re.sub(r'"(\d+)":', r"\1:", SEED.strip().removeprefix('{"hosts": ').removesuffix("}")))
    with pytest.raises((UnknownHost, BadConfig)):
        check_machines(home)


def test_a_machine_of_the_trainers_role_says_where_the_trainer_works(home: World) -> None:
    assert is_trainer_local(home)
    say(home, "4090: {host: 192.0.2.7, role: trainer, services: {vault: {}}}")
    assert not is_trainer_local(home)
    say(home, "4090: {host: localhost, role: trainer, services: {vault: {}}}")
    assert is_trainer_local(home)
    assert get_service_url("vault", world=home) == "http://localhost:8767/api"


def test_a_machine_without_inference_is_never_the_default(home: World) -> None:
    say(home, "local: null\n4090: {host: 192.0.2.7, services: {vault: {}}}\n3090: {host: 192.0.2.8}")
    assert get_host(None, home).id == "3090"
    say(home, "local: null\n4090: {host: 192.0.2.7, services: {vault: {}}}")
    with pytest.raises(BadConfig, match="no host is left"):
        list_hosts(home)
