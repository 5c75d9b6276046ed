"""A trainer that is a server: `trainer: http` with its `api_url`. What is sent stands in guild/trainers/protocol.py.

Nothing it says is taken on trust. When it is first asked, and again after each trouble, it must state the skill and as
many levels as the skill's file, give the same problems for the same seed, and judge its own answers right and nonsense
wrong. Each reply after that must be of the skill and level asked for, and each request to judge holds a golden answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import httpx2

from guild.errors import TrainerUnavailable
from guild.trainers import checks, protocol
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive
from realm import strict
from realm.disk import durable
from realm.web import outbound
from realm.web.bodies import Body

WHOLE_SECONDS = 30.0
"""From the first byte sent to the last one received, however busy the server looks in between."""
PROOF_SEED, PROOF_PROBLEMS = 1, 4
_CANARY = 1
"""Golden answers in each request to judge."""

B = TypeVar("B", bound=Body)


class HttpTrainer:
    is_remote = True

    def __init__(
        self, skill: str, api_url: str, levels: Sequence[dict[str, Any]], *, called: str | None = None
    ) -> None:
        """`called`: what the server calls the skill, where it is another name."""
        self.skill, self.api_url = skill, api_url.rstrip("/")
        self._called = called or skill
        self._parameters = tuple(levels)
        self._is_proven = False

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        checks.check_level(self.skill, level, len(self._parameters))
        self._prove(level)
        base = random.getrandbits(64) if seed is None else seed
        return checks.distinct(self._draw(level, count, base), count, who=self._who, level=level)

    def judge(self, problem: Problem, answer: str) -> bool:
        return self.judge_all([problem], [answer])[0]

    def judge_all(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        """One request for each level and protocol.MOST_PROBLEMS of its problems."""
        pairs = list(zip(problems, answers, strict=True))
        verdicts = [False] * len(pairs)
        for level in sorted({problem.level for problem in problems}):
            checks.check_level(self.skill, level, len(self._parameters))
            self._prove(level)
            places = [place for place, problem in enumerate(problems) if problem.level == level]
            for part in _parts(places, protocol.MOST_PROBLEMS - _CANARY):
                for place, verdict in zip(part, self._judge(level, [pairs[at] for at in part]), strict=True):
                    verdicts[place] = verdict
        return verdicts

    def _draw(self, level: int, count: int, base: int) -> Iterator[Problem]:
        """Without end, request by request: repetitions among those of one are made up for by the next."""
        number = 0
        while True:
            seed = derive(self.skill, level, base, number) & protocol.LARGEST_SEED
            yield from self._request(level, min(count, protocol.MOST_PROBLEMS), seed)
            number += 1

    def _request(self, level: int, count: int, seed: int) -> list[Problem]:
        asked = {"level": level, "count": count, "seed": seed, "parameters": self._parameters[level - 1]}
        reply = self._post("/sample", asked, protocol.SampleReply)
        if reply.skill != self._called:
            self._refuse(f"it was asked for {self._called} and gave problems of {strict.shown(reply.skill)}")
        if reply.level != level:
            self._refuse(f"it was asked for level {level} and gave problems of level {reply.level}")
        if len(reply.problems) != count:
            self._refuse(f"it was asked for {count} problems and gave {len(reply.problems)}")
        return [Problem(told.prompt, told.answer, self.skill, level, told.ticket) for told in reply.problems]

    def _judge(self, level: int, pairs: Sequence[tuple[Problem, str]]) -> list[bool]:
        golden = pairs[0][0]
        asked = [*pairs, (golden, golden.answer)]
        given = [
            {"prompt": problem.prompt, "answer": problem.answer, "ticket": problem.ticket, "given": answer}
            for problem, answer in asked
        ]
        verdicts = self._post("/judge", {"level": level, "problems": given}, protocol.JudgeReply).verdicts
        if len(verdicts) != len(asked):
            self._refuse(f"it was asked for {len(asked)} verdicts and gave {len(verdicts)}")
        if not verdicts[-1]:
            self._refuse(f"it calls its own answer to a problem of level {level} wrong")
        return verdicts[:-_CANARY]

    def _prove(self, level: int) -> None:
        if self._is_proven:
            return
        told = self._get("/skill", protocol.SkillReply)
        theirs_is = strict.shown(told.name)
        for what, theirs, ours, remedy in (
            ("speaks protocol", told.protocol, protocol.PROTOCOL, "mend the trainer"),
            (
                "is the trainer of", told.name, self._called,
                f"write `trainer_skill: {theirs_is}` into {self.skill}.yaml, or let the server serve {self._called}",
            ),
            (
                "states as its highest level", told.max_level, len(self._parameters),
                "let the levels in the file be as many, or mend the trainer",
            ),
        ):  # fmt: skip
            if theirs != ours:
                self._refuse(f"it {what} {strict.shown(theirs)}, and the skill's file expects {ours}", remedy)
        first, again = (self._request(level, PROOF_PROBLEMS, PROOF_SEED) for _ in range(2))
        if first != again:
            self._refuse(f"it gives other problems of level {level} for the same seed")
        for problem in first:
            checks.check_texts(problem, who=self._who, level=level)
        if any(self._judge(level, [(problem, checks.NONSENSE) for problem in first])):
            self._refuse(f"it calls nonsense a right answer to a problem of level {level}")
        self._is_proven = True

    @property
    def _who(self) -> str:
        return f"skill {self.skill} ({self.api_url})"

    def _get(self, path: str, reply: type[B]) -> B:
        return self._ask("GET", path, None, reply)

    def _post(self, path: str, body: dict[str, Any], reply: type[B]) -> B:
        return self._ask("POST", path, durable.encode_json(body), reply)

    def _ask(self, method: str, path: str, body: bytes | None, reply: type[B]) -> B:
        told = self._exchange(method, path, body)
        if told.status != httpx2.codes.OK:
            self._refuse(f"{path} was answered with status {told.status}{_sentence(told.body)}")
        try:
            return protocol.read(reply, told.body, source=path)
        except strict.BadConfig as error:
            self._refuse(str(error))

    def _exchange(self, method: str, path: str, body: bytes | None) -> outbound.Reply:
        most, headers = protocol.LARGEST_BODY_BYTES, {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            return outbound.ask_once(
                self.api_url, method, path, seconds=WHOLE_SECONDS, largest_bytes=most, content=body, headers=headers
            )
        except TimeoutError:
            self._refuse(f"{path} took longer than {WHOLE_SECONDS:.0f} s", "look what keeps it busy")
        except httpx2.TimeoutException:
            self._refuse(f"{path} was not answered in time", "look whether it is stuck")
        except httpx2.HTTPError as error:
            told = " ".join(str(error).split()) or type(error).__name__
            self._refuse(f"no connection for {path}: {told}", "start it, or mend api_url")
        except outbound.Compressed:
            self._refuse(f"{path} came compressed, which was not asked for: nobody knows how large it would become")
        except outbound.TooLarge:
            self._refuse(f"{path} was answered with more than {most} bytes")
        except outbound.ForbiddenAddress as error:
            self._refuse(f"it is at {error}, where no trainer can be", "mend api_url")

    def _refuse(self, what: str, remedy: str = "mend the trainer") -> NoReturn:
        self._is_proven = False
        raise TrainerUnavailable(f"{self._who}: {what}; {remedy}")


def _sentence(answer: bytes) -> str:
    """What the server says of its refusal, if it keeps to the protocol."""
    try:
        value = protocol.read(protocol.Refusal, answer, source="")
    except strict.BadConfig:
        return ""
    return f": {' '.join(value.error.split())[:300]}"


def _parts(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
