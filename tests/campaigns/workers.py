"""Workers of five machines, killed again and again, and what became of their jobs.

Each has a world of its own and gets its checkpoints from a zone of the first one. The host that answers is a stand-in.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
import yaml

from realm.world import CHECKOUT, World
from tests.campaigns.report import Figure, none_of
from tests.support import reaper
from tests.support.checkpoints import make_checkpoint
from tests.support.database_servers import Servers, running
from tests.support.servers import environment, manage
from tests.support.stub_host import Stub, stub_host
from tests.support.zones import served

KILLS, QUICK_KILLS = 100, 3
CHECKPOINTS_A_KILL = 1.2
HOSTS = ("anvil", "bellows", "crucible", "drill", "file")
ANSWER_SECONDS, QUICK_ANSWER_SECONDS = 6.0, 0.4
"""Longer than a worker is let live with a job, so that most kills cut one off."""
LONGEST_AT_WORK = 3.0
LONG_AWAY = 12.0
"""Longer than the silence after which a worker counts as dead; one that is back at once finds its job claimed still."""
MOST_SECONDS = 120.0
"""After which what does not happen is told as that."""
_OWN_TASKS = (
    "make_sets", "health_check", "validate_queue", "checkpoint_cleanup", "vault_scan", "vault_copies",
    "daily_snapshot", "model_warmup", "lineage_report", "sparring", "large_sparring",
)  # fmt: skip
_TASKS = {name: {"enabled": False} for name in _OWN_TASKS} | {"process_eval_queue": {"beside_battle": True}}
_POLL_SECONDS = 0.1


@dataclass
class Box:
    """One machine's worker."""

    host: str
    world: World
    variables: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    lost: Held | None = None
    """What it worked on when it was killed; while that is listed as its, it has not begun anything since."""

    def start(self) -> None:
        command = [sys.executable, "manage.py", "worker", "--resources", "cpu", "--host", self.host]
        with open(self.world.logs / "worker.out", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=CHECKOUT, env=environment(self.world, **self.variables), stdout=log, stderr=log
            )

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self.start()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.lives:
            assert self.process is not None
            self.process.terminate()
            self.process.wait()


@dataclass(frozen=True)
class Held:
    act: str
    job: int
    attempt: int


@dataclass
class Scene:
    database: str
    boxes: list[Box]
    stub: Stub
    checkpoints: list[str]
    home: World
    took: list[float] = field(default_factory=list)
    """Seconds from a kill until another process had the job."""
    stuck: list[str] = field(default_factory=list)

    def ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as database:
            return database.execute(query, arguments).fetchall()  # type: ignore[arg-type]

    def doing(self) -> dict[str, Held]:
        """By the queue that works on it."""
        rows = self.ask(
            "SELECT queue_name, queueing_lock, id, attempts FROM procrastinate_jobs"
            " WHERE status = 'doing' AND task_name = 'guild.perform'"
        )
        return {queue: Held(*held) for queue, *held in rows}

    def left(self) -> int:
        ((count,),) = self.ask("SELECT count(*) FROM guild_evaluationtask WHERE state IN ('waiting', 'answering')")
        return int(count)


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    kills = QUICK_KILLS if quick else count or KILLS
    chance = random.Random(seed)
    watching = reaper.start()
    with ExitStack() as opened:
        opened.callback(watching.communicate)
        made = opened.enter_context(
            scene(folder, max(4, round(kills * CHECKPOINTS_A_KILL)), QUICK_ANSWER_SECONDS if quick else ANSWER_SECONDS)
        )
        began = time.monotonic()
        done = _kill_again_and_again(made, kills, chance)
        _wait(lambda: made.left() == 0, made, "the queue is empty")
        _wait(lambda: len(_home_answers(made)) == len(made.checkpoints), made, "every answer has come home")
        return [*_told(made, done), Figure(promise="W1", what="seconds in all", figure=round(time.monotonic() - began))]


@contextmanager
def scene(folder: Path, checkpoints: int, answer_seconds: float) -> Iterator[Scene]:
    with ExitStack() as opened:
        servers: Servers = opened.enter_context(running())
        stub = opened.enter_context(stub_host())
        url = servers.database.url("realm")
        home = _world(folder / "home", stub, tasks=_TASKS)
        names = [make_checkpoint(home.heroes, step).name for step in range(1, checkpoints + 1)]
        zone = opened.enter_context(served(home.models, "home"))
        boxes = [Box(host, _world(folder / host, stub, zone=zone.url), {"REALM_DATABASE_URL": url}) for host in HOSTS]
        migrated = manage(home, "migrate", "-v0", REALM_DATABASE_URL=url)
        assert migrated.returncode == 0, migrated.stderr
        made = Scene(url, boxes, stub, names, home)
        _answer(stub, home, answer_seconds)
        _enqueue(made)
        for box in boxes:
            opened.callback(box.stop)
            box.start()
        opened.enter_context(_task_master(home, url))
        yield made


def _world(folder: Path, stub: Stub, *, zone: str = "", tasks: dict[str, Any] | None = None) -> World:
    world = World(folder)
    world.create()
    hosts: dict[str, Any] = {"stub": {"kind": "realm", "url": stub.url, "evaluates": True}}
    if zone:
        hosts["home"] = {"host": "127.0.0.1", "services": {"zone": {"port": int(zone.rpartition(":")[2])}}}
    (folder / "hosts.yaml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    settings = {"autoplay": False, "tasks": tasks or {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return world


def _answer(stub: Stub, home: World, seconds: float) -> None:
    """It loads whatever is named, and says the same to every question."""
    from realm.checkpoints import sidecar

    def model(body: Any) -> dict[str, Any]:
        name = body.get("name") or str(body["model"]).partition("/")[2]
        said = sidecar.read(home.heroes / "DIO" / name)
        return {
            "id": f"DIO/{name}", "hero": "DIO", "step": said.step, "name": name, "mode": "full", "memory_bytes": 1,
            "sha256": sidecar.answering_digest(said), "model_path": f"/world/{name}", "answers": 0,
        }  # fmt: skip

    def answers(body: Any) -> tuple[int, Any]:
        time.sleep(seconds)
        known = model(body)
        proof = {"model": known["id"], "step": known["step"], "sha256": known["sha256"]}
        return 200, proof | {"answers": ["0"] * len(body["prompts"])}

    stub.replies |= {
        "GET /health": (200, {"status": "healthy", "device": "cpu", "loaded": 0, "busy": False}),
        "GET /models/info": (200, {"models": []}),
        "POST /models/load": lambda body: (200, model(body)),
        "POST /models/unload": (200, {}),
        "POST /v1/answers": answers,
    }


def _enqueue(made: Scene) -> None:
    with psycopg.connect(made.database) as database:
        for step, name in enumerate(made.checkpoints, start=1):
            database.execute(
                "INSERT INTO guild_evaluationtask (hero, checkpoint, step, skill, level, state, host, attempts, reason,"
                " created_at, updated_at) VALUES ('DIO', %s, %s, 'bin', 1, 'waiting', '', 0, '', now(), now())",
                (name, step),
            )


@contextmanager
def _task_master(home: World, url: str) -> Iterator[None]:
    with open(home.logs / "taskmaster.out", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "taskmaster", "--daemon"],
            cwd=CHECKOUT, env=environment(home, REALM_DATABASE_URL=url), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _kill_again_and_again(made: Scene, kills: int, chance: random.Random) -> int:
    """How many there were: with nothing left to do there is nobody to kill at work."""
    after: list[threading.Thread] = []
    for _ in range(kills):
        victim = _somebody_at_work(made, chance)
        if victim is None:
            break
        box, held = victim
        time.sleep(chance.uniform(0.0, LONGEST_AT_WORK))
        box.kill()
        box.lost = held
        away = chance.choice((0.0, LONG_AWAY))
        for then in (lambda box=box, away=away: box.start_after(away), lambda held=held: _follow(made, held)):
            after.append(threading.Thread(target=then))
            after[-1].start()
    for thread in after:
        thread.join()
    return len(after) // 2


def _somebody_at_work(made: Scene, chance: random.Random) -> tuple[Box, Held] | None:
    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end and made.left():
        doing = made.doing()
        at_work = [box for box in made.boxes if box.lives and doing.get(f"cpu:{box.host}", box.lost) != box.lost]
        if at_work:
            box = chance.choice(at_work)
            return box, doing[f"cpu:{box.host}"]
        time.sleep(_POLL_SECONDS)
    return None


def _follow(made: Scene, held: Held) -> None:
    """Until its act was begun anew, under whatever number, or was done in the instant before the kill."""
    killed_at = time.monotonic()
    name = held.act.rpartition("/")[2]
    while time.monotonic() < killed_at + MOST_SECONDS:
        if any(other.act == held.act and other != held for other in made.doing().values()):
            made.took.append(time.monotonic() - killed_at)
            return
        if made.ask("SELECT 1 FROM guild_evaluationtask WHERE checkpoint = %s AND state = 'done'", name):
            return
        time.sleep(_POLL_SECONDS)
    made.stuck.append(str(held))


def _wait(condition: Any, made: Scene, what: str) -> None:
    end = time.monotonic() + 3 * MOST_SECONDS
    while not condition():
        if time.monotonic() > end:
            made.stuck.append(what)
            return
        time.sleep(_POLL_SECONDS)


def _home_answers(made: Scene) -> list[Path]:
    return list((made.home.evaluation / "answers" / "DIO").glob("*.json"))


def _told(made: Scene, kills: int) -> list[Figure]:
    many = len(made.checkpoints)
    evaluated = Counter(name for (name,) in made.ask("SELECT checkpoint FROM guild_evaluation"))
    told = Counter(
        data["checkpoint"] for (data,) in made.ask("SELECT data FROM arena_chronicleentry WHERE kind = 'evaluated'")
    )
    asked = Counter(body["model"].partition("/")[2] for body in made.stub.bodies("POST /v1/answers"))
    wrong = [name for name in made.checkpoints if evaluated[name] != 1]
    doubles = [name for name in made.checkpoints if told[name] > 1 or evaluated[name] > 1]
    home = {json.loads(path.read_bytes())["checkpoint"] for path in _home_answers(made)}
    open_jobs = made.ask("SELECT id FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
    return [
        Figure(promise="W1", what="kills of a worker at work", figure=kills),
        Figure(promise="W1", what="jobs that were taken up by another process", figure=len(made.took)),
        none_of("W1", "checkpoints not evaluated exactly once", wrong, many),
        none_of("W1", "checkpoints evaluated or told twice", doubles, many),
        none_of("W1", "checkpoints whose answers did not come home", sorted({*made.checkpoints} - home), many),
        none_of("W1", "jobs that nobody took up", made.stuck, max(1, kills)),
        none_of("W1", "jobs left open", open_jobs, many),
        none_of("W1", "processes that outlived their worker", _orphans(made), max(1, kills)),
        Figure(promise="W1", what="checkpoints asked again after a kill", figure=sum(n > 1 for n in asked.values())),
        Figure(
            promise="W1", what="seconds until taken up again, median", figure=round(median(made.took or [0.0]), 1)
        ),
        Figure(
            promise="W1", what="seconds until taken up again, longest", figure=round(max(made.took, default=0.0), 1),
            wanted="30", kept=max(made.took, default=0.0) <= 30, timed=True,
        ),
    ]  # fmt: skip


def _orphans(made: Scene) -> list[str]:
    """Jobs' processes whose worker is not there any more."""
    workers = {box.process.pid for box in made.boxes if box.process}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            is_ours = process.environ().get(reaper.VARIABLE) == os.environ[reaper.VARIABLE]
            if is_ours and "perform_job" in process.cmdline() and process.ppid() not in workers:
                found.append(f"process {process.pid}")
    return found
