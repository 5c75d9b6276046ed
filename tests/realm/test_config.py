from dataclasses import replace
from pathlib import Path

import pytest

from realm import config
from realm.config import RealmConfig, load
from realm.strict import BadConfig
from realm.world import World


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A world folder; loading settings needs no more of it."""
    return World(tmp_path)


def say(home: World, text: str) -> None:
    (home.home / "config.yaml").write_text(text, encoding="utf-8")


def test_what_is_shipped_is_what_the_code_defaults_to(home: World) -> None:
    shipped = load(home, {})
    assert replace(shipped, training={}) == RealmConfig()
    assert shipped.training["warmup_steps"] == 20


def test_the_world_overrides_the_checkout_and_the_environment_overrides_both(home: World) -> None:
    assert load(home, {}).port == 8888
    say(home, "port: 9001\nhero: EVA\n")
    assert load(home, {}).port == 9001
    found = load(home, {"REALM_PORT": "9002"})
    assert (found.port, found.hero) == (9002, "EVA")


def test_recipe_keys_are_overridden_one_by_one(home: World) -> None:
    before = load(home, {}).training
    say(home, "training: {save_every: 7}\n")
    assert load(home, {}).training == before | {"save_every": 7}


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("REALM_BIND", "::1", "bind", "::1"),
        ("REALM_BIND", "0.0.0.0", "bind", "0.0.0.0"),
        (
            "REALM_PUBLIC_ORIGINS",
            "https://a.example, http://b:81",
            "public_origins",
            ("https://a.example", "http://b:81"),
        ),
        ("REALM_PORT", "1", "port", 1),
        ("REALM_VAULT_PORT", "65535", "vault_port", 65535),
        ("REALM_VAULT_BIND", "0.0.0.0", "vault_bind", "0.0.0.0"),
        ("REALM_ORACLE_PORT", "9003", "oracle_port", 9003),
        ("REALM_ORACLE_BIND", "::", "oracle_bind", "::"),
        ("REALM_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/24", "trusted_proxies", ("127.0.0.1", "10.0.0.0/24")),
        ("REALM_ALLOWED_ORIGINS", "https://a.example", "allowed_origins", ("https://a.example",)),
        ("REALM_ZONE_PORT", "9004", "zone_port", 9004),
        ("REALM_BASE_MODEL", "Qwen/Qwen3-0.6B", "base_model", "Qwen/Qwen3-0.6B"),
        ("REALM_AUTOPLAY", "0", "autoplay", False),
        ("REALM_AUTOPLAY", "Off", "autoplay", False),
        ("REALM_AUTOPLAY", "yes", "autoplay", True),
        ("REALM_DATABASE_URL", "sqlite:///x", "database_url", "sqlite:///x"),
        ("REALM_REDIS_URL", "redis://localhost", "redis_url", "redis://localhost"),
    ],
)
def test_each_variable_is_read(home: World, variable: str, text: str, key: str, value: object) -> None:
    assert getattr(load(home, {variable: text}), key) == value


def test_an_empty_variable_says_nothing(home: World) -> None:
    assert load(home, {"REALM_PORT": " ", "REALM_AUTOPLAY": ""}) == load(home, {})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prot: 1\n", "unknown key 'prot'; allowed are allowed_origins, archivist, autoplay, base_model, bind, "),
        ("port: high\n", "port: a whole number is expected, not 'high'"),
        ("port: 0\n", "port: 0 is no port; allowed are 1 to 65535"),
        ("zone_port: 65536\n", "zone_port: 65536 is no port; allowed are 1 to 65535"),
        ("autoplay: 1\n", "autoplay: true or false is expected, not 1"),
        (
            "bind: kitchen\n",
            "bind: 'kitchen' is no address of this machine's; allowed are 127.0.0.1, 0.0.0.0 for all",
        ),
        (
            "public_origins: [x.example]\n",
            "public_origins: 'x.example' is no origin; allowed is what a browser calls",
        ),
        ("hero: ../EVA\n", "hero: '../EVA' is no hero's name; allowed are 1 to 40 letters (A-Z, a-z), digits, '-' and"),
        ("hero: ''\n", "hero: '' is no hero's name; "),
        ("hero: .\n", "hero: '.' is no hero's name; "),
        ("hero: /etc\n", "hero: '/etc' is no hero's name; "),
        ("hero: -rf\n", "hero: '-rf' is no hero's name; "),
        ("hero: 2B\n", "hero: '2B' is no hero's name; "),
        ("hero: DIO EVA\n", "hero: 'DIO EVA' is no hero's name; "),
        ('hero: "DIO\\n"\n', r"hero: 'DIO\n' is no hero's name; "),
        ('hero: "D\\u00cfO"\n', "hero: 'D\u00cfO' is no hero's name; "),
        (f"hero: {'D' * 41}\n", f"hero: '{'D' * 41}' is no hero's name; "),
        ("hero: 7\n", "hero: a text is expected, not 7"),
        ("checkpoint_budget_gb: 0\n", "checkpoint_budget_gb: 0.0 is no budget; allowed is more than 0"),
        ("checkpoint_budget_gb: -1.5\n", "checkpoint_budget_gb: -1.5 is no budget; allowed is more than 0"),
        ("checkpoint_budget_gb: .inf\n", "checkpoint_budget_gb: inf is no budget; allowed is more than 0"),
        ("checkpoint_budget_gb: .nan\n", "checkpoint_budget_gb: a number is expected, not NaN"),
        ("checkpoint_budget_gb: lots\n", "checkpoint_budget_gb: a number is expected, not 'lots'"),
        ("training: 5\n", "training: a mapping is expected, not 5"),
        ("- port\n", "a mapping is expected, list found"),
        ("port: [\n", "not readable as YAML: "),
        ("port: \xff\n", "not readable as YAML: "),
        ("!!python/object/apply:os.getcwd []\n", "not readable as YAML: "),
    ],
)
def test_a_mistake_in_the_world_names_file_and_key(home: World, text: str, sentence: str) -> None:
    path = home.home / "config.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadConfig) as caught:
        load(home, {})
    assert str(caught.value).startswith(f"{path}: {sentence}")


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("REALM_PORT", "high", "REALM_PORT: a whole number is expected, not 'high'"),
        ("REALM_PORT", "-1", "REALM_PORT: a whole number is expected, not '-1'"),
        ("REALM_PORT", "¹", "REALM_PORT: a whole number is expected, not '¹'"),
        ("REALM_AUTOPLAY", "maybe", "REALM_AUTOPLAY: 'maybe' is not allowed; allowed are 1, true, yes, on, 0, false,"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(home: World, variable: str, text: str, sentence: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(home, {variable: text})
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("REALM_PORT", "0", "0 is no port; allowed are 1 to 65535"),
        ("REALM_VAULT_PORT", "65536", "65536 is no port; allowed are 1 to 65535"),
        (
            "REALM_BIND",
            "kitchen",
            "'kitchen' is no address of this machine's; allowed are 127.0.0.1, 0.0.0.0 for all",
        ),
        ("REALM_PUBLIC_ORIGINS", "https://*.example", "'https://*.example' is no origin; allowed is "),
    ],
)
def test_a_value_out_of_range_names_the_variable_it_came_from(
    home: World, variable: str, text: str, sentence: str
) -> None:
    say(home, "port: 9001\n")
    with pytest.raises(BadConfig) as caught:
        load(home, {variable: text})
    assert str(caught.value).startswith(f"{variable}: {sentence}")


def test_twin_without_the_range_check_of_variables_none_is_named(home: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_check_range", lambda variable, key, value: None)
    with pytest.raises(BadConfig) as caught:
        load(home, {"REALM_PORT": "0"})
    assert "REALM_PORT" not in str(caught.value)


@pytest.mark.parametrize("name", ["D", "DIO", "EVA-2_b", "x" * 40])
def test_a_plain_name_is_a_heros(home: World, name: str) -> None:
    say(home, f"hero: {name}\n")
    assert load(home, {}).hero == name


@pytest.mark.parametrize(("text", "budget"), [("5", 5.0), ("0.25", 0.25)])
def test_a_budget_is_any_number_above_nothing(home: World, text: str, budget: float) -> None:
    say(home, f"checkpoint_budget_gb: {text}\n")
    assert load(home, {}).checkpoint_budget_gb == budget


def test_an_empty_config_file_says_nothing(home: World) -> None:
    before = load(home, {})
    say(home, "# nothing yet\n")
    assert load(home, {}) == before


def test_a_mistake_in_the_shipped_file_names_that_file(
    home: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "realm.yaml"
    shipped.write_text("bindd: x\n", encoding="utf-8")
    monkeypatch.setattr(config, "DEFAULTS_FILE", shipped)
    with pytest.raises(BadConfig) as caught:
        load(home, {})
    assert str(caught.value).startswith(f"{shipped}: unknown key 'bindd'")
