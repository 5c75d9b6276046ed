"""A skill whose trainer is a server: one YAML file, and nothing that the server says is taken on trust."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from guild.curriculum.forge import forge_next
from guild.errors import TrainerUnavailable
from guild.evaluation.judging import judge_answers
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.skills.registry import broken_skills, get_skill, get_trainer, read_skills
from guild.trainers import http, protocol
from guild.trainers.http import HttpTrainer
from guild.trainers.problems import Problem
from realm.web import outbound
from realm.world import World
from tests.support import skill_files
from tests.support.served_trainer import HonestStub, send, served, stub


def trainer_at(url: str) -> HttpTrainer:
    return HttpTrainer(HonestStub.name, url, ({}, {}, {}))


@pytest.mark.django_db
def test_one_yaml_file_adds_a_skill_that_is_forged_and_judged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "skills"
    level = "[{ operations: [XOR], width: 12 }]"
    skill_files.put(folder, monkeypatch, "flips", trainer="guild.trainers.binary.BinaryAlchemist", levels=level)
    with served(get_skill("flips"), get_trainer("flips")) as url:
        skill_files.put(folder, monkeypatch, "flips", trainer="http", levels="1", more=f"api_url: {url}\n")
        assert [(skill.name, skill.kind, skill.is_remote) for skill in read_skills()] == [("flips", "http", True)]

        problems = get_trainer("flips").sample(level=1, count=2500, seed=7)
        assert len({problem.prompt for problem in problems}) == 2500
        assert problems == get_trainer("flips").sample(level=1, count=2500, seed=7)

        rows = [json.loads(line) for line in forge_next(world, "DIO").read_bytes().splitlines()]
        assert len(rows) == 60
        assert {(row["skill"], row["level"]) for row in rows} == {("flips", 1)}

        asked = read_evaluation_set(ensure_evaluation_set(world, get_skill("flips"), 1), skill="flips", level=1)
        answers = [problem.answer for problem in asked[:3]] + ["wrong"] * 2
        verdict = judge_answers(
            hero="DIO", checkpoint="checkpoint-1", step=1, skill="flips", level=1, answers=answers, world=world
        )
        assert (verdict.correct, verdict.total) == (3, 5)


def test_many_answers_are_judged_in_one_request() -> None:
    with stub(HonestStub()) as server:
        trainer = trainer_at(server.url)
        problems = trainer.sample(level=2, count=300, seed=1)
        server.requests.clear()
        given = [problem.answer if number % 2 else "no" for number, problem in enumerate(problems)]
        assert trainer.judge_all(problems, given) == [bool(number % 2) for number in range(300)]
        assert server.requests == ["/judge"]


def test_problems_of_many_levels_are_judged_in_their_order() -> None:
    with stub(HonestStub()) as server:
        trainer = trainer_at(server.url)
        problems = [trainer.sample(level=level, count=1, seed=level)[0] for level in (3, 1, 3, 2)]
        answers = [problems[0].answer, "no", "no", problems[3].answer]
        assert trainer.judge_all(problems, answers) == [True, False, False, True]


def test_a_ticket_comes_back_to_the_judge() -> None:
    class WithTickets(HonestStub):
        def problem(self, number: int) -> dict[str, Any]:
            return super().problem(number) | {"ticket": f"t{number}"}

        def verdict(self, told: dict[str, Any]) -> bool:
            return bool(told["ticket"] == f"t{told['answer']}" and super().verdict(told))

    with stub(WithTickets()) as server:
        (problem,) = trainer_at(server.url).sample(level=1, count=1, seed=5)
        assert trainer_at(server.url).judge(problem, problem.answer)


class OtherLevel(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        told = super().answer(handler, path, body)
        return told | {"level": 1} if path == "/sample" else told


class OtherSkill(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        told = super().answer(handler, path, body)
        return told | {"skill": "other"} if path == "/sample" else told


class MoreLevels(HonestStub):
    levels = 50


class OtherName(HonestStub):
    name = "other"


class Restless(HonestStub):
    """Other problems for the same seed."""

    def problem(self, number: int) -> dict[str, Any]:
        return super().problem(number * 1000 + len(self.requests))


class Repeating(HonestStub):
    def problem(self, number: int) -> dict[str, Any]:
        return super().problem(number % 10)


class Empty(HonestStub):
    def problem(self, number: int) -> dict[str, Any]:
        return {"prompt": " ", "answer": "1"}


class Endless(HonestStub):
    def problem(self, number: int) -> dict[str, Any]:
        return {"prompt": f"say {number} " + "x" * 50_000, "answer": "1"}


class Surrogates(HonestStub):
    def problem(self, number: int) -> dict[str, Any]:
        return {"prompt": f"say {number} \ud800", "answer": "1"}


class Fewer(HonestStub):
    def problems(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return super().problems(body)[1:]


class WrongJudge(HonestStub):
    def verdict(self, told: dict[str, Any]) -> bool:
        return False


class KindJudge(HonestStub):
    def verdict(self, told: dict[str, Any]) -> bool:
        return True


class Redirecting(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        send(handler, 307, b"", Location=f"{self.url}/elsewhere")


class Rubbish(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        send(handler, 200, b"<html>It works!</html>")


class Talkative(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        return super().answer(handler, path, body) | {"and": "more"}


class Doubling(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        send(handler, 200, b'{"protocol": 2, "protocol": 1, "name": "stub", "max_level": 3}')


class Refusing(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        send(handler, 503, b'{"error": "the lexicon is lost"}')


class Compressed(HonestStub):
    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        send(handler, 200, b"{}", Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (OtherLevel, "it was asked for level 2 and gave problems of level 1"),
        (OtherSkill, "it was asked for stub and gave problems of 'other'"),
        (MoreLevels, "it states as its highest level 50, and the skill's file expects 3"),
        (OtherName, "it is the trainer of 'other', and the skill's file expects stub"),
        (Restless, "it gives other problems of level 2 for the same seed"),
        (Repeating, "the problems of level 2 repeat: of 21 drawn, 10 are different"),
        (Empty, "a problem of level 2 has prompt empty"),
        (Endless, "a problem of level 2 has prompt of 500"),
        (Surrogates, "a problem of level 2 has prompt with half a character in it"),
        (Fewer, "it was asked for 4 problems and gave 3"),
        (WrongJudge, "it calls its own answer to a problem of level 2 wrong"),
        (KindJudge, "it calls nonsense a right answer to a problem of level 2"),
        (Redirecting, "/skill was answered with status 307"),
        (Rubbish, "/skill: no JSON"),
        (Talkative, "/skill: unknown key 'and'"),
        (Doubling, "/skill: no JSON: a key stands there twice"),
        (Refusing, "/skill was answered with status 503: the lexicon is lost"),
        (Compressed, "/skill came compressed"),
    ],
)
def test_a_liar_is_refused_with_skill_address_and_reason(lie: type[HonestStub], sentence: str) -> None:
    with stub(lie()) as server, pytest.raises(TrainerUnavailable) as refusal:
        trainer_at(server.url).sample(level=2, count=50, seed=1)
    told = str(refusal.value)
    assert told.startswith(f"skill stub ({server.url}): ")
    assert sentence in told
    assert "\n" not in told


@pytest.mark.parametrize("lie", [Restless, WrongJudge, KindJudge, MoreLevels])
def test_without_the_proof_the_lie_passes(lie: type[HonestStub], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: what is asked at first is what finds these out."""
    monkeypatch.setattr(HttpTrainer, "_prove", lambda self, level: None)
    with stub(lie()) as server:
        assert len(trainer_at(server.url).sample(level=2, count=50, seed=1)) == 50


def test_a_redirect_is_not_followed() -> None:
    with stub(Redirecting()) as server, pytest.raises(TrainerUnavailable):
        trainer_at(server.url).sample(level=1, count=1)
    assert server.requests == ["/skill"]


def test_a_judge_that_turns_bad_is_found_out_by_its_golden_answer() -> None:
    class Turning(HonestStub):
        bad = False

        def verdict(self, told: dict[str, Any]) -> bool:
            return not self.bad and super().verdict(told)

    behaviour = Turning()
    with stub(behaviour) as server:
        trainer = trainer_at(server.url)
        problems = trainer.sample(level=1, count=2, seed=1)
        behaviour.bad = True
        with pytest.raises(TrainerUnavailable, match="calls its own answer to a problem of level 1 wrong"):
            trainer.judge_all(problems, ["no", "no"])
        behaviour.bad = False
        server.requests.clear()
        assert trainer.judge_all(problems, ["no", problems[1].answer]) == [False, True]
        assert "/skill" in server.requests  # after trouble it has to prove itself again


def test_verdicts_are_as_many_as_problems() -> None:
    class Short(HonestStub):
        def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
            told = super().answer(handler, path, body)
            return {"verdicts": told["verdicts"][:-1]} if path == "/judge" else told

    with stub(Short()) as server, pytest.raises(TrainerUnavailable, match="asked for 5 verdicts and gave 4"):
        trainer_at(server.url).sample(level=1, count=1)


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the reply never."""
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.5)
    given_up = threading.Event()

    class Dripping(HonestStub):
        def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            while not given_up.is_set():
                handler.wfile.write(b" ")
                time.sleep(0.02)

    with stub(Dripping()) as server:
        try:
            with pytest.raises(TrainerUnavailable, match="/skill took longer than 0 s"):
                trainer_at(server.url).sample(level=1, count=1)
        finally:
            given_up.set()


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.3)
    given_up = threading.Event()

    class Silent(HonestStub):
        def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
            given_up.wait(60)

    with stub(Silent()) as server:
        try:
            with pytest.raises(TrainerUnavailable, match=r"/skill (took longer|was not answered)"):
                trainer_at(server.url).sample(level=1, count=1)
        finally:
            given_up.set()


def test_an_endless_body_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LARGEST_BODY_BYTES", 100_000)
    with stub(Endless()) as server, pytest.raises(TrainerUnavailable, match="answered with more than 100000 bytes"):
        trainer_at(server.url).sample(level=1, count=1)


def test_nobody_there_is_told_with_what_to_do() -> None:
    with stub(HonestStub()) as server:
        pass
    with pytest.raises(TrainerUnavailable, match=r"no connection for /skill: .*; start it, or mend api_url"):
        trainer_at(server.url).judge(Problem("say 1", "1", "stub", 1), "1")


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="stub has no level 4; it has 1 to 3"):
        trainer_at("http://127.0.0.1:9").sample(level=4, count=1)


@pytest.mark.parametrize(
    ("levels", "more", "sentence"),
    [
        ("3", "", "api_url: a trainer of kind http needs the address of its server"),
        ("0", "api_url: http://127.0.0.1:9", "levels: 0 is not allowed; allowed are 1 to 1000"),
        ("true", "api_url: http://127.0.0.1:9", "levels: a list is expected, not True"),
        ("many", "api_url: http://127.0.0.1:9", "levels: a list is expected, not 'many'"),
    ],
)
def test_a_broken_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levels: str, more: str, sentence: str
) -> None:
    path = skill_files.put(tmp_path, monkeypatch, "stub", trainer="http", levels=levels, more=more)
    (told,) = broken_skills()
    assert told == f"{path}: {sentence}"


def check_never_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for where a name must not lead."""
    monkeypatch.setattr(outbound, "is_forbidden", lambda address: address == "127.0.0.1")
    with stub(HonestStub()) as server:
        with pytest.raises(TrainerUnavailable, match=r"it is at 127\.0\.0\.1, where no trainer can be; mend api_url"):
            trainer_at(server.url).sample(level=1, count=1, seed=1)
        assert server.requests == []


def test_a_trainer_at_a_forbidden_address_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    check_never_asked_there(monkeypatch)


def test_twin_without_a_look_at_the_connection_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(event: str, info: Any) -> None:
        """Looks at nothing."""

    monkeypatch.setattr(outbound, "_check_address", blind)
    with pytest.raises(pytest.fail.Exception):
        check_never_asked_there(monkeypatch)


def test_a_server_that_calls_the_skill_otherwise_is_understood_by_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(HonestStub()) as server:
        more = f"api_url: {server.url}\n"
        skill_files.put(tmp_path, monkeypatch, "remote", trainer="http", levels="3", more=more)
        with pytest.raises(TrainerUnavailable, match=r"write `trainer_skill: 'stub'` into remote\.yaml, or let"):
            get_trainer("remote").sample(level=1, count=5, seed=1)
        more += "trainer_skill: 'stub'\n"
        skill_files.put(tmp_path, monkeypatch, "remote", trainer="http", levels="3", more=more)
        problems = get_trainer("remote").sample(level=1, count=5, seed=1)
        assert {problem.skill for problem in problems} == {"remote"}
        assert get_trainer("remote").judge_all(problems, [problem.answer for problem in problems]) == [True] * 5
