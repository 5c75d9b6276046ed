"""`/metrics`, as Prometheus asks for it: its own text, or OpenMetrics where Accept names it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Always 200 with what is known; `realm_scrape_part_up` tells what is not."""
    # With it come its own server and parsers, which a realm that nobody scrapes does without.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    from watchtower.prometheus.collector import RealmCollector

    registry = CollectorRegistry(auto_describe=False)
    registry.register(RealmCollector(settings.WORLD, settings.REALM))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})
