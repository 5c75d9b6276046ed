"""The web never imports torch, the trainer never imports Django; each fence is shown to hold and to be needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realm.world import CHECKOUT, World
from tests.support.servers import environment

pytestmark = pytest.mark.slow

PACKAGES = ("realm", "arena", "guild", "vault", "watchtower", "sentinels", "tavern")
HEAVY = {"torch", "transformers", "peft", "accelerate", "matplotlib"}


def copied(code: Path) -> Path:
    """The realm's code in the folder `code`, where an import may be planted."""
    for name in PACKAGES:
        shutil.copytree(CHECKOUT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "configs"):
        (code / name).symlink_to(CHECKOUT / name)
    return code


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tmp_path / "code")


def plant(code: Path, module: str, line: str) -> None:
    """Add an import to a module, where a hurried change would put it."""
    path = code / module
    path.write_text(f"{path.read_text()}\n\n{line}\n")


def packages_after(code: Path, world: World, modules: list[str]) -> set[str]:
    """Top-level packages that a fresh interpreter holds after importing `modules`."""
    script = f"import sys, {', '.join(modules)}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=code, env=environment(world), text=True, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def training_modules() -> list[str]:
    folder = CHECKOUT / "arena" / "training"
    found = sorted(path for path in folder.rglob("*.py") if path.name != "__main__.py")
    assert len(found) > 5
    return [".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__") for path in found]


NAMES_READ = "realm.asgi, django.urls; django.urls.reverse('health')"
"""With the whole table of addresses, as the first page reads it."""


def test_the_web_process_holds_no_torch(world: World) -> None:
    held = packages_after(CHECKOUT, world, [NAMES_READ])
    assert {"django", "channels", "watchtower", "tavern"} <= held
    assert not held & HEAVY
    assert not held & {"ninja", "jinja2"}, "the API's 14 MB come with the first request to it"


def test_the_vault_holds_no_api_before_it_is_asked(world: World) -> None:
    setup = "os; os.environ['DJANGO_SETTINGS_MODULE'] = 'watchtower.api.settings'; import django; django.setup()"
    held = packages_after(CHECKOUT, world, [f"{setup}; import watchtower.api.process, watchtower.api.urls"])
    assert {"django", "uvicorn"} <= held
    assert not held & (HEAVY | {"ninja", "tokenizers"})


def test_the_daemon_and_the_weaver_hold_no_torch(world: World) -> None:
    setup = "django; django.setup(); import arena.daemon.serving, realm.management.commands.weave"
    held = packages_after(CHECKOUT, world, [setup])
    assert not held & (HEAVY | {"httpx2", "pydantic", "jinja2"}), "what a host is first asked brings its client"
    assert "ninja" not in held, "only who serves the API holds it: 10 MB"


def test_the_trainer_holds_no_django(world: World) -> None:
    held = packages_after(CHECKOUT, world, training_modules())
    assert "torch" in held
    assert not held & {"django", "channels", "guild", "vault", "watchtower", "tavern"}


def test_an_inference_host_that_has_loaded_nothing_holds_neither_torch_nor_django(world: World) -> None:
    held = packages_after(CHECKOUT, world, ["arena.oracle.__main__"])
    assert {"starlette", "uvicorn"} <= held
    assert not held & (HEAVY | {"django", "channels", "guild", "vault", "watchtower", "tavern"})


SHARED = [
    "arena.rows.tokenizer",
    "arena.rows.chat_template",
    "arena.rows.masking",
    "arena.rows.example",
    "arena.rows.packing",
    "arena.preview.rows",
]


def test_what_the_trainer_shares_holds_neither_torch_nor_django(world: World) -> None:
    held = packages_after(CHECKOUT, world, SHARED)
    assert {"jinja2", "tokenizers"} <= held
    assert not held & (HEAVY | {"django", "channels", "huggingface_hub"})


@pytest.mark.parametrize("line", ["import transformers", "import django"])
def test_twin_planted_in_what_the_trainer_shares_they_are_seen(copy: Path, world: World, line: str) -> None:
    plant(copy, "arena/rows/masking.py", line)
    assert line.split()[1] in packages_after(copy, world, SHARED)


def test_twin_torch_and_ninja_planted_in_the_web_are_seen(copy: Path, world: World) -> None:
    plant(copy, "watchtower/scores.py", "import torch")
    plant(copy, "tavern/page_frame.py", "import ninja")
    assert {"torch", "ninja"} <= packages_after(copy, world, [NAMES_READ])


PLANTED = [
    ("watchtower/scores.py", "torch", "Only hero, training and oracle import torch"),
    ("arena/rows/masking.py", "transformers", "Only hero, training and oracle import torch"),
    ("arena/queue/files.py", "peft", "Only hero, training and oracle import torch"),
    ("watchtower/scores.py", "arena.hero.model", "Nothing else imports what imports torch"),
    (
        "arena/training/loss.py",
        "django",
        "Rows, gate, hero, training and their kin know no Django",
    ),
    (
        "arena/hero/export.py",
        "django",
        "Rows, gate, hero, training and their kin know no Django",
    ),
    (
        "arena/oracle/loaded_models.py",
        "channels",
        "Rows, gate, hero, training and their kin know no Django",
    ),
    (
        "arena/training/loss.py",
        "vault.models",
        "In the arena few rooms know guild and vault",
    ),
    (
        "arena/queue/files.py",
        "guild.models",
        "In the arena few rooms know guild and vault",
    ),
    ("arena/rows/masking.py", "arena.queue.files", "The arena's rooms lie in layers"),
    ("arena/hero/answering.py", "arena.training.loss", "A hero knows nothing of its training"),
    ("guild/models.py", "watchtower.pool", "Arrows point one way"),
    ("realm/web/guard.py", "sentinels.views", "realm is the ground"),
    ("sentinels/guardian/watch.py", "django", "The guardian knows no Django, and nobody whom it watches"),
    ("sentinels/guardian/events.py", "sentinels.inspector.report", "The sentinels' rooms lie in layers"),
]
"""What a hurried change would import where, and the contract that must see it. scripts/test.sh holds the contracts."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy in which every import of PLANTED stands."""
    code = copied(tmp_path_factory.mktemp("planted") / "code")
    for module, name, _ in PLANTED:
        plant(code, module, f"import {name}")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=code, text=True, capture_output=True, timeout=100)
    assert done.returncode == 1, done.stderr
    return done.stdout.partition("Broken contracts")[2]


@pytest.mark.parametrize(("module", "name", "contract"), PLANTED)
def test_twin_a_planted_import_breaks_its_contract(broken: str, module: str, name: str, contract: str) -> None:
    section = broken.partition(f"\n{contract}\n")[2].partition("\n\n\n\n")[0]
    importer = module.removesuffix(".py").replace("/", ".")
    assert f"{importer} -> {name} " in section
