"""Every route of every server, generated from its own table, with a sample of what its address holds.

A route whose parameters have no sample here raises Unlisted, so that a new kind of address cannot go untried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

UUID = "11111111-2222-4333-8444-555555555555"
CHECKPOINT = "checkpoint_100_DIO_20260101-1230"

SAMPLES: tuple[tuple[str, dict[str, str]], ...] = (
    (r"admin/r/", {"content_type_id": "1", "object_id": "1"}),
    (r"admin/", {"app_label": "vault", "id": "1", "object_id": "1", "pk": "1", "tool": "verify", "url": "nowhere/"}),
    (r"api/(skills|curriculum)", {"name": "binary", "skill": "binary"}),
    (r"api/tasks", {"name": "healthcheck"}),
    (r"api/notices/", {"name": "phone"}),
    (r"api/sources", {"name": "sums"}),
    (r"api/notices/", {"name": "phone"}),
    (r"api/system/services", {"name": "arena"}),
    (r"api/(simulation|benchmark|sparring)/", {"run_id": "1", "other_id": "2", "run": "1"}),
    (r"api/training/", {"run_id": "newest", "run": "newest", "step": "1"}),
    (r"api/train/", {"job_id": "1"}),
    (r"api/settings/", {"key": "training.seed", "name": "config.yaml.bak-20260101-000000-000"}),
    (r"api/quests/templates/", {"name": "chat"}),
    (r"api/quests/", {"quest_id": "1", "line": "1", "number": "0", "act": "pause"}),
    (r"api/oracle/", {"key": UUID}),
    (r"api/trash/", {"entry": "1"}),
    (r"api/jobs/", {"job_id": "1"}),
    (r"api/logs/", {"service": "arena"}),
    (r"api/", {"asset_id": CHECKPOINT, "zone_id": "3090", "checkpoint": "100", "model_id": "base", "rest": "nowhere"}),
    (r"v1/models/", {"model": "dio"}),
    (r"v1/", {"file_id": "file-1", "job_id": "ftjob-1", "act": "cancel", "rest": "nowhere"}),
    (r"favicon/", {"state": "training", "percent": "29"}),
    (r"panels/", {"name": "battle"}),
    (r"battle/", {"wish": "pause"}),
    (r"battles/", {"battle_id": "sums-1a2b3c4d", "step": "1"}),
    (r"oracle/", {"key": UUID}),
    (r"quests/lists/", {"name": "queued"}),
    (r"quests/uploads/", {"key": "a1b2c3"}),
    (r"quests/sources/", {"name": "sums"}),
    (r"quests/", {"quest_id": "1", "line": "1", "number": "0", "name": "strict-json"}),
    (r"patrol/panels/", {"name": "findings"}),
    (r"guild/panels/", {"name": "board"}),
    (r"guild/ask/", {"kind": "benchmark"}),
    (r"guild/runs/", {"run_id": "1"}),
    (r"guild/", {"name": "binary"}),
    (r"heroes/panels/", {"name": "roster"}),
    (r"api/heroes", {"name": "DIO", "act": "retire"}),
    (r"vault/panels/", {"name": "stats"}),
    (r"vault/ask/", {"verb": "transfer"}),
    (r"vault/", {"hero": "DIO", "name": "checkpoint-100-20260101-1230"}),
    (r"watchtower/panels/", {"name": "services"}),
    (r"scheduler/panels/", {"name": "tasks"}),
    (r"scheduler/tasks/", {"name": "healthcheck"}),
    (r"notices/", {"name": "phone"}),
    (r"(assets|verify|fetch)/", {"asset_id": CHECKPOINT, "path": "model.safetensors"}),
    (r"receive/", {"upload": "a1b2c3", "path": "model.safetensors"}),
)  # fmt: skip
"""By how an address begins; the first that fits and knows the parameter."""

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)(?::\w+)?\}")
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


class Unlisted(LookupError):
    """Names a route and the parameter of it that has no sample."""


@dataclass(frozen=True)
class Route:
    template: str
    path: str
    kind: str = "http"


def of_django() -> list[Route]:
    """Those of the URL table, admin and APIs among them. Raises Unlisted."""
    return [_route(template) for template in dict.fromkeys(_templates(get_resolver().url_patterns))]


def of_starlette(application: Any) -> list[Route]:
    """Raises Unlisted."""
    return [_route(template) for template in dict.fromkeys(each.path.removeprefix("/") for each in application.routes)]


def of_channels(router: Any) -> list[Route]:
    """Raises Unlisted."""
    return [Route(str(each.pattern), _route(str(each.pattern)).path, "websocket") for each in router.routes]


def places(route: Route) -> Iterator[tuple[str, str]]:
    """Of each parameter what stands before and behind it in the address; the others have their samples."""
    template = _GROUP.sub(lambda group: f"<{group[1]}>", route.template)
    for found in _PARAMETER.finditer(template):
        before, after = template[: found.start()], template[found.end() :]
        yield _route(before).path, _route(f"{before}{after}").path.removeprefix(_route(before).path)


def _templates(patterns: Iterable[Any], above: str = "") -> Iterator[str]:
    for each in patterns:
        template = above + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _templates(each.url_patterns, template)
        else:
            assert isinstance(each, URLPattern)
            yield template


def _route(template: str) -> Route:
    def sampled(found: re.Match[str]) -> str:
        name = next(filter(None, found.groups()))
        for begin, samples in SAMPLES:
            if name in samples and re.match(begin, template.lstrip("^")):
                return samples[name]
        raise Unlisted(f"{template}: <{name}>")

    path = _PARAMETER.sub(sampled, _GROUP.sub(lambda group: f"<{group[1]}>", template))
    return Route(template, "/" + path.replace("^", "").replace("\\Z", "").replace("$", ""))
