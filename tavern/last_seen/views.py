from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

_WORKER = Path(__file__).with_name("worker.js")


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """At the root, since a worker has a say only over what lies below its own address.

    Where the pages want a login nobody may have it: nothing of such a realm stays in a browser.
    """
    if getattr(request, "wants_login", False):
        return HttpResponse("nothing is kept where pages want a login", status=404, content_type="text/plain")
    return HttpResponse(_WORKER.read_bytes(), content_type="text/javascript; charset=utf-8")
