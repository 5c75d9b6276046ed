"""The one API of the realm: each place adds a router; answers, errors and documents are the same for all."""

from __future__ import annotations

from csp.decorators import csp_update
from django.http import Http404, HttpRequest
from ninja import Router

from realm.version import version
from sentinels import api as sentinels_api
from sentinels.notices import api as notices_api
from vault.api import catalogue, history, jobs, ledger, moving, snapshots, trash, treasury, zones
from watchtower.api import (
    armory,
    benchmark,
    dashboard,
    heroes,
    logs,
    metrics,
    models,
    oracle,
    presets,
    quest_rows,
    quest_templates,
    quests,
    run_history,
    scheduler,
    services,
    simulation,
    skills,
    sources,
    sparring,
    statistics,
    steps,
    streams,
    system,
    timeline,
    train,
    training,
)  # fmt: skip
from watchtower.api.answers import JsonParser, Renderer, handle_errors
from watchtower.api.document import Docs, RealmAPI

api = RealmAPI(
    title="Realm of Training",
    version=version(),
    description="What a page can do. A refusal is one sentence in `detail` and `error`; lists are pages of `items`.",
    docs=Docs(),
    docs_url="/docs",
    docs_decorator=csp_update({"img-src": ["'self'", "data:"]}),  # Swagger's style sheet holds its icons
    openapi_url="/openapi.json",
    urls_namespace="api",
    renderer=Renderer(),
    parser=JsonParser(),
)
handle_errors(api)
nowhere = Router()


@nowhere.api_operation(["GET", "POST", "PUT", "PATCH", "DELETE"], "/{path:rest}", include_in_schema=False)
def no_such(request: HttpRequest, rest: str) -> None:
    raise Http404(f"There is nothing at /api/{rest[:200]}; /api/docs lists what there is.")


for prefix, router, tag in (
    ("", catalogue.router, "catalogue"), ("", moving.router, "moving"), ("", zones.router, "zones"),
    ("/ledger", ledger.router, "ledger"), ("", jobs.router, "jobs"), ("/dashboard", dashboard.router, "dashboard"),
    ("/training", run_history.router, "training"), ("/training", "tavern.battles.api.router", "training"),
    ("/training", training.router, "training"), ("/training", statistics.router, "training"),
    ("/training", steps.router, "training"),
    ("/train", train.router, "training"),
    ("/quests", quest_templates.router, "quests"),
    ("/quests", quest_rows.router, "quests"), ("/quests", quests.router, "quests"),
    ("/simulation", simulation.router, "simulation"),
    ("/benchmark", benchmark.router, "benchmark"), ("/sparring", sparring.router, "sparring"),
    ("/heroes", heroes.router, "heroes"), ("/models", models.router, "models"), ("/oracle", oracle.router, "oracle"),
    ("/oracle", "tavern.oracle.api.router", "oracle"), ("", presets.router, "training"),

    ("", skills.router, "skills"), ("", scheduler.router, "scheduler"), ("/sources", sources.router, "sources"),
    ("/system", system.router, "system"), ("/system", sentinels_api.router, "system"),
    ("", snapshots.router, "snapshots"), ("", trash.router, "trash"), ("/treasury", treasury.router, "trash"),
    ("", history.router, "history"),
    ("", streams.router, "streams"),
    ("/system", timeline.router, "system"), ("/system", services.router, "system"),
    ("/system", metrics.router, "system"), ("/settings", armory.router, "settings"),
    ("/logs", logs.router, "logs"), ("/notices", notices_api.router, "system"),
    ("/away", "tavern.away.api.router", "away"), ("/notifications", "tavern.bell.api.router", "away"),
    ("/achievements", "tavern.achievements.api.router", "achievements"),
    ("", nowhere, "nowhere"),  # the last: addresses are tried in this order
):  # fmt: skip
    api.add_router(prefix, router, tags=[tag])
