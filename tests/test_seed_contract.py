"""What the documents that the project was made from say, line by line, as far as it exists by now.

Each row: what they say, how it is checked, and the sabotage with which that check fails. Where SPEC.md says otherwise,
its names stand here. `/health` of the oracle's own port is held by tests/arena/oracle/test_endpoints.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command, load_command_class
from django.test import Client

from realm.world import CHECKOUT, World
from tests.support.checkpoints import make_checkpoint
from tests.support.stub_host import Stub, realm_model, spoken, stub_host

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SEED_HOSTS = {
    "4090": {
        "name": "Training Server",
        "host": "192.0.2.90",
        "role": "trainer",
        "services": {
            "vault": {"port": 8767, "path": "/api"},
            "ledger": {"port": 8767, "path": "/api/ledger"},
            "training": {"port": 8767, "path": "/api/training"},
            "tavern": {"port": 8888},
        },
    },
    "3090": {
        "name": "Inference Server",
        "host": "192.0.2.30",
        "role": "inference",
        "models_dir": "/path/to/models",
        "services": {"inference": {"port": 8765}},
    },
}
BASE, LOADED = realm_model(0), realm_model(181865)


@dataclass(frozen=True)
class Place:
    world: World
    client: Client
    stub: Stub

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(path, json.dumps(body), "application/json")


@pytest.fixture
def place(world: World, client: Client) -> Iterator[Place]:
    with stub_host() as stub:
        stub.replies |= {
            "GET /health": (200, {"status": "healthy"}),
            "GET /models/info": (200, {"models": [BASE, LOADED], "available": []}),
            "POST /models/load": (200, LOADED),
            "POST /v1/chat/completions": lambda body: spoken(LOADED if body["model"] == LOADED["id"] else BASE, "Hi"),
        }
        (world.home / "hosts.yaml").write_text(f"local: null\n3090: {{url: '{stub.url}'}}\n")
        yield Place(world, client, stub)


Check = Callable[[Place], object]


def skills_are_listed_by_name(place: Place) -> None:
    from guild.skills import list_skills

    assert list_skills() == ["bin", "sy"]


def a_skill_says_how_it_is_shown_and_served(place: Place) -> None:
    from guild.skills import get_skill

    sy, binary = get_skill("sy"), get_skill("bin")
    assert (sy.title, sy.max_level, binary.title, binary.max_level) == ("Word Weaving", 50, "Binary Alchemy", 30)
    assert all((skill.icon, skill.color, skill.api_url) for skill in (sy, binary))
    assert str(sy.api_url).endswith(":8080")
    assert str(binary.api_url).endswith(":8090")


def a_skill_has_its_seeds_name_as_well(place: Place) -> None:
    from guild.skills import get_skill

    assert get_skill("binary").name == "bin"


def a_trainer_gives_samples(place: Place) -> None:
    from guild.skills import get_trainer

    batch = get_trainer("sy").sample(level=5, count=100)
    assert len({problem.key for problem in batch}) == 100


def skills_are_yaml_beside_a_template(place: Place) -> None:
    from guild.skills import registry

    assert {path.stem for path in registry.SKILLS_FOLDER.glob("*.yaml")} == {"_template", "bin", "sy"}


def a_ledger_is_asked_for_checkpoints(place: Place) -> None:
    from vault import index
    from vault.ledger import get_ledger

    folder = make_checkpoint(place.world.heroes, 190000, created_at="2025-11-27T14:30:00+00:00")
    assert (folder / ".ledger.json").is_file()
    index.scan(place.world)
    ledger = get_ledger()
    latest, best, record = ledger.get_latest(), ledger.get_best(metric="train_loss"), ledger.get(190000)
    assert latest == best == record == ledger.list_all(limit=20)[0]
    assert record is not None
    assert (record.train_loss, record.canonical_name) == (1.5, folder.name)


def a_step_is_read_from_any_checkpoints_name(place: Place) -> None:
    from vault.ledger import extract_step

    assert extract_step("checkpoint-190000-20251127-1430") == 190000
    assert extract_step("checkpoint-175000") == extract_step("models/current_model/checkpoint-175000") == 175000
    assert extract_step("checkpoint_175000") == 175000


def a_checkpoints_name_is_canonical(place: Place) -> None:
    from realm.checkpoints import names

    assert names.canonical_name(190000, datetime(2025, 11, 27, 14, 30)) == "checkpoint-190000-20251127-1430"


def hosts_json_says_where_services_are(place: Place) -> None:
    from realm.hosts import get_host, get_service_url, is_trainer_local

    (place.world.home / "hosts.yaml").unlink()
    (place.world.home / "hosts.json").write_text(json.dumps({"hosts": SEED_HOSTS}))
    assert get_service_url("ledger", world=place.world) == "http://192.0.2.90:8767/api/ledger"
    assert get_service_url("training", world=place.world) == "http://192.0.2.90:8767/api/training"
    assert get_service_url("inference", world=place.world) == "http://192.0.2.30:8765"
    host = get_host("3090", place.world)
    assert (host.name, str(host.models_dir), host.role) == ("Inference Server", "/path/to/models", "inference")
    assert get_host("4090", place.world).services["tavern"].port == 8888
    assert not is_trainer_local(place.world)


def the_trainers_machine_knows_itself(place: Place) -> None:
    from realm.hosts import is_trainer_local

    (place.world.home / "hosts.yaml").unlink()
    assert is_trainer_local(place.world)
    (place.world.home / "hosts.yaml").write_text("4090: {host: 127.0.0.1, role: trainer, services: {vault: {}}}")
    assert is_trainer_local(place.world)


def the_oracles_status_is_by_host(place: Place) -> None:
    host = place.client.get("/oracle/status").json()["hosts"]["3090"]
    assert (host["model_count"], [model["step"] for model in host["loaded_models"]]) == (2, [181865, 0])


def a_checkpoint_is_loaded_on_a_host(place: Place) -> None:
    assert place.post("/oracle/load", step=181865, host="3090").json()["success"] is True


def a_chat_names_who_answered(place: Place) -> None:
    said = place.post("/oracle/chat", message="Hello DIO!", host="3090", step=181865).json()
    assert (said["success"], said["model"], said["model_path"]) == (True, LOADED["id"], LOADED["model_path"])
    assert place.post("/oracle/chat", message="Hello!", host="3090", step=0).json()["model"] == BASE["id"]


def a_chat_needs_a_step(place: Place) -> None:
    refused = place.post("/oracle/chat", message="Hi", host="3090")
    assert (refused.status_code, refused.json()["success"]) == (400, False)


def a_step_that_is_not_loaded_fails_clearly(place: Place) -> None:
    refused = place.post("/oracle/chat", message="Hi", host="3090", step=148000)
    assert refused.status_code == 404
    assert refused.json() == {"success": False, "error": "Step 148000 not loaded. Available: [181865, 0]"}


def pages_are_where_they_were(place: Place) -> None:
    for path in ("/", "/quests", "/oracle", "/guild", "/scheduler"):
        assert place.client.get(path).status_code == 200, path


def health_is_healthy(place: Place) -> None:
    from guild.skills.registry import get_skill, get_trainer
    from tests.support.served_trainer import served
    from tests.watchtower.factories import daemon_lock, say_status

    say_status(place.world, "idle")
    with daemon_lock(place.world):
        assert place.client.get("/health").json()["status"] == "healthy"
    import httpx2

    with served(get_skill("bin"), get_trainer("bin")) as url:
        assert httpx2.get(f"{url}/health").json() == {"status": "healthy"}


def tasks_have_their_names_and_priorities(place: Place) -> None:
    from guild.tasks.registry import MANAGE, list_tasks
    from guild.tasks.task_settings import Rules

    found = {task.name: task for task in list_tasks(Rules(), ["bin", "sy"])}
    priorities = {
        "process_eval_queue": 10, "sparring_bin": 9, "sparring_sy": 9, "sparring_bin_large": 8, "generate_bin": 6,
        "health_check": 4, "validate_queue": 4, "checkpoint_cleanup": 3, "vault_scan": 3, "model_warmup": 2,
        "lineage_report": 2,
    }  # fmt: skip
    assert {name: found[name].priority for name in priorities} == priorities
    counts = {name: found[name].argv[found[name].argv.index("--count") + 1] for name in found if "sparring" in name}
    assert (counts["sparring_bin"], counts["sparring_bin_large"]) == ("100", "500")
    assert found["generate_bin"].argv[len(MANAGE)] == "forge"


def a_task_is_found_by_its_seeds_name(place: Place) -> None:
    from guild.tasks import selectors
    from realm.config import RealmConfig

    found = [selectors.find_task(place.world, RealmConfig(), f"sparring_binary{end}") for end in ("", "_large")]
    assert [task and task.name for task in found] == ["sparring_bin", "sparring_bin_large"]


def tasks_are_listed_by_gpu(place: Place) -> None:
    from guild.tasks import gpus, selectors, state
    from realm.config import RealmConfig

    tasks = selectors.all_tasks(place.world, RealmConfig(), state.AllStates())
    assert "sparring_bin" in gpus.needing(place.world, RealmConfig(), tasks, "3090")
    assert "vault_scan" in gpus.needing(place.world, RealmConfig(), tasks, "none")


COMMANDS = {
    "tasks": ("list", "available --gpu 3090", "status", "run sparring_bin"),
    "taskmaster": ("--status", "--once", "--daemon --interval 60", "--run sparring_bin"),
    "spar": ("--skill binary --count 100", "--skill binary --checkpoint checkpoint-180000", "--check-all", "--status"),
    "weave": (
        "", "--status --json", "--daemon", "--stop", "--stop arena", "--start arena", "--restart arena", "--prepare",
        "--systemd units --user",
    ),
    "patrol": ("", "--only disk clock --json", "--deep --strict"),
    "healthcheck": ("",),
    "notices": (
        "list --json", "events", "log", "add phone", "set phone --events fault --quiet 22:00-07:00", "remove phone",
        "test phone",
    ),
    "account": (
        "list --json", "new mira --ask", "password mira --json", "sessions mira --json", "end-sessions mira",
        "end-sessions mira --session 0", "remove mira",
    ),
    "battle": ("status", "pause", "resume", "stop", "skip"),
    "oracle": ("--port 8765",),
    "trainer": ("sy", "bin --port 8090"),
    "forge": ("--skill bin --level 3 --count 5000",),
    "vault": ("scan",),
    "train": ("--steps 100 --checkpoint-interval 50", "--resume", "--replay 7"),
    "scry": ("", "--once"),
    "evaluate": ("checkpoint-180000", "--once", "--list"),
}  # fmt: skip


def commands_are_understood(place: Place) -> None:
    for name, lines in COMMANDS.items():
        apps = ("realm", "vault", "guild", "arena", "watchtower", "sentinels", "tavern")
        app = next(app for app in apps if (CHECKOUT / app / "management" / "commands" / f"{name}.py").is_file())
        for line in lines:
            load_command_class(app, name).create_parser("manage.py", name).parse_args(line.split())


def a_checkpoint_is_named_by_its_step(place: Place) -> None:
    from guild.evaluation.checkpoints import choose

    folder = make_checkpoint(place.world.heroes, 180000)
    assert [str(chosen) for chosen in choose(place.world, "DIO", ["checkpoint-180000"])] == [folder.name]


def a_mistake_gives_the_three_examples(place: Place) -> None:
    from guild.trainers.problems import Problem
    from guild.work.sparring_rows import examples_of

    wrong, fresh = Problem("1+1", "2", "bin", 1), Problem("2+2", "4", "bin", 1)
    identify, correct, confirm, plain = examples_of(wrong, "3", fresh, group=1)
    assert [identify.answer, correct.answer, confirm.answer] == ["It is incorrect.", "2", "It is correct."]
    for example, problem, proposed, ending in (
        (identify, "1+1", "3", "Is this correct?"),
        (correct, "1+1", "3", "This is incorrect. Find the correct solution."),
        (confirm, "2+2", "4", "Is this correct?"),
    ):
        assert example.prompt.startswith(f"{problem}\n")
        assert proposed in example.prompt
        assert example.prompt.endswith(ending)
    assert (plain.prompt, plain.answer) == ("1+1", "2")


def every_sparrings_file_is_checked(place: Place) -> None:
    out = StringIO()
    (place.world.inbox / "high").mkdir()
    (place.world.inbox / "high" / "sparring-bin-level-1-100-0001.jsonl").write_text("{}\n")
    with pytest.raises(Exception, match="sparring-bin-level-1-100-0001"):
        call_command("spar", "--check-all", stdout=out, skip_checks=True)
    assert "line 1: no row of a sparring" in out.getvalue()


def status_files_have_their_names(place: Place) -> None:
    from guild.tasks import master, state

    call_command("spar", "--status", stdout=StringIO(), skip_checks=True)
    assert (place.world.status / "sparring.json").is_file()
    assert (master.STATUS_FILE, state.STATE_FILE) == ("task_master.json", "task_state.json")


def a_world_has_its_folders(place: Place) -> None:
    lanes = ("high", "normal", "low", "processing", "failed", "recently_completed")
    for folder in ("inbox", "logs", "status", "control", "models", *(f"queue/{lane}" for lane in lanes)):
        assert (place.world.home / folder).is_dir(), folder
    assert place.world.current_model == place.world.models / "current_model"


def ports_and_presets_are_the_seeds(place: Place) -> None:
    from realm import config

    shipped = config.load(place.world, {})
    assert (shipped.port, shipped.vault_port, shipped.oracle_port, shipped.zone_port) == (8888, 8767, 8765, 8768)
    assert {path.stem for path in config.SHIPPED_PRESETS.glob("*.yaml")} == {"quick-test", "standard", "deep-training"}


SEED_API = {
    "GET": (
        "stats", "locate/{asset_id}", "asset/{asset_id}", "checkpoints", "search", "zones", "zones/{zone_id}", "ledger",
        "ledger/{checkpoint}", "ledger/best", "ledger/summary", "training/status", "training/queue",
    ),
    "POST": ("fetch", "register", "scan", "transfer", "training/control"),
}  # fmt: skip


def the_vaults_api_has_its_addresses(place: Place) -> None:
    paths = place.client.get("/api/openapi.json").json()["paths"]
    for method, names in SEED_API.items():
        for name in names:
            assert method.lower() in paths[f"/api/{name}"], name


def the_vault_says_where_a_checkpoint_lies(place: Place) -> None:
    folder = make_checkpoint(place.world.heroes, 175000)
    found = place.client.get("/api/locate/checkpoint_175000").json()
    assert found["found"] is True
    assert found["best_location"]["path"] == str(folder)
    told = place.client.get("/api/ledger/175000").json()
    assert (told["canonical_name"], told["loss"], told["skill_name"]) == (folder.name, 1.5, "bin")
    assert place.client.get("/api/ledger/best?metric=train_loss").json()["step"] == 175000


def training_is_asked_and_commanded(place: Place) -> None:
    from arena.orders import MAILBOX

    assert place.client.get("/api/training/status").json()["status"] == "idle"
    assert place.client.get("/api/training/queue").json()["total"] == 0
    assert place.post("/api/training/control", action="pause").json()["success"] is True
    assert [order.wish for _, order in MAILBOX.waiting(place.world)] == ["pause"]


def metrics_are_a_snapshot(place: Place) -> None:
    told = place.client.get("/api/system/metrics").json()
    assert {"cpu_percent", "memory_percent", "disk_percent", "gpus"} <= told.keys()
    assert 0 < told["memory_percent"] < 100


def scripts_start_and_stop_everything(place: Place) -> None:
    for name in ("start_all.sh", "stop_all.sh"):
        assert (CHECKOUT / "scripts" / name).stat().st_mode & 0o111, name


CONTRACT: tuple[tuple[str, Check, tuple[str, Any] | None], ...] = (
    ("list_skills()  # ['bin', 'sy']", skills_are_listed_by_name, ("guild.skills.registry.read_skills", lambda _: ())),
    ("skill.icon, .color, .max_level, .api_url", a_skill_says_how_it_is_shown_and_served,
     ("guild.skills.registry.Skill.max_level", 1)),
    ("spar --skill binary", a_skill_has_its_seeds_name_as_well,
     ("guild.skills.registry.name_of", lambda name, folder: name)),
    ("get_trainer('sy').sample(level=5, count=100)", a_trainer_gives_samples,
     ("guild.trainers.syllacrostic.WordWeaver.sample", lambda *_, **__: [])),
    ("configs/skills/*.yaml", skills_are_yaml_beside_a_template, ("guild.skills.registry.SKILLS_FOLDER", CHECKOUT)),
    ("get_ledger().get_latest(), .get_best(metric=), .list_all(limit=), .get(step)", a_ledger_is_asked_for_checkpoints,
     ("vault.index.scan", lambda world: None)),
    ("extract_step(any checkpoint's name)", a_step_is_read_from_any_checkpoints_name,
     ("vault.ledger.entries.step_of_any", lambda name: None)),
    ("checkpoint-{step}-{YYYYMMDD}-{HHMM}", a_checkpoints_name_is_canonical,
     ("realm.checkpoints.names.canonical_name", lambda *_: "")),
    ("get_service_url('ledger'), get_host('3090').name, is_trainer_local()", hosts_json_says_where_services_are,
     ("realm.hosts.files._read_file", lambda path: {})),
    ("is_trainer_local() on the trainer", the_trainers_machine_knows_itself,
     ("realm.host_services.is_this_machine", lambda address: False)),
    ("GET /oracle/status: {hosts: {3090: {loaded_models, model_count}}}", the_oracles_status_is_by_host,
     ("tavern.oracle.hosts.describe", lambda host: {"id": host.url})),
    ("POST /oracle/load {step, host}", a_checkpoint_is_loaded_on_a_host,
     ("tavern.oracle.replies.who", lambda *_: {"success": False})),
    ("POST /oracle/chat: {success, model, model_path}", a_chat_names_who_answered,
     ("tavern.oracle.replies.who", lambda *_: {"success": True})),
    ("step required", a_chat_needs_a_step, ("tavern.oracle.views._refuse", lambda error: None)),
    ("{success: false, error: Step 148000 not loaded. Available: [...]}", a_step_that_is_not_loaded_fails_clearly,
     ("tavern.oracle.asking.find_loaded", lambda models, **_: models[0])),
    ("/, /quests, /oracle, /guild, /scheduler", pages_are_where_they_were, None),
    ("GET /health", health_is_healthy, ("sentinels.health.HEALTHY", "ok")),
    ("registered tasks by priority", tasks_have_their_names_and_priorities, ("guild.tasks.registry.LARGE_COUNT", 1000)),
    ("task_registry run --task sparring_binary", a_task_is_found_by_its_seeds_name,
     ("guild.tasks.selectors.own_name", lambda name: name)),
    ("task_registry available --gpu 3090", tasks_are_listed_by_gpu, ("guild.tasks.gpus._asks", lambda *_: False)),
    ("commands", commands_are_understood, None),
    ("spar --checkpoint checkpoint-180000", a_checkpoint_is_named_by_its_step,
     ("realm.strict.whole_number", lambda text: None)),
    ("three examples for each wrong answer", a_mistake_gives_the_three_examples,
     ("guild.work.sparring_rows.ENDINGS", {"identify-wrong": "Is this correct?", "confirm-right": "Is this correct?"})),
    ("sparring_validator --check-all", every_sparrings_file_is_checked,
     ("guild.work.sparring_check.find_files", lambda world: [])),
    ("status/sparring.json, task_master.json, task_state.json", status_files_have_their_names,
     ("guild.tasks.state.STATE_FILE", "tasks.json")),
    ("folders of a world", a_world_has_its_folders, None),
    ("ports; presets quick-test, standard, deep-training", ports_and_presets_are_the_seeds,
     ("realm.config.SHIPPED_PRESETS", CHECKOUT)),
    ("API endpoints of 8767", the_vaults_api_has_its_addresses,
     ("watchtower.api.document.RealmAPI.get_openapi_schema", lambda *_, **__: {"paths": {}})),
    ("GET /api/locate/checkpoint_175000, /api/ledger/190000, /api/ledger/best?metric=train_loss",
     the_vault_says_where_a_checkpoint_lies, ("vault.copies.locating.copies_of", lambda *_: [])),
    ("GET /api/training/status, /api/training/queue; POST /api/training/control", training_is_asked_and_commanded,
     ("watchtower.api.training.orders.send", lambda *_, **__: None)),
    ("GET /api/system/metrics", metrics_are_a_snapshot, ("watchtower.machines.now", lambda *_: [])),
    ("start_all.sh, stop_all.sh", scripts_start_and_stop_everything, None),
)  # fmt: skip
SAYS = [says for says, _, _ in CONTRACT]


@pytest.mark.parametrize(("says", "check", "sabotage"), CONTRACT, ids=SAYS)
def test_what_the_seed_says_holds(place: Place, says: str, check: Check, sabotage: object) -> None:
    check(place)


@pytest.mark.parametrize(
    ("says", "check", "sabotage"), [row for row in CONTRACT if row[2]], ids=[row[0] for row in CONTRACT if row[2]]
)
def test_twin_with_its_sabotage_the_check_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch, says: str, check: Check, sabotage: tuple[str, Any]
) -> None:
    target, replacement = sabotage
    monkeypatch.setattr(target, replacement)
    with pytest.raises((Exception, pytest.fail.Exception)):
        check(place)
