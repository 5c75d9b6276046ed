"""The page's icon: the visor glows with the state, and a ring around it closes with the battle."""

from __future__ import annotations

from functools import lru_cache

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from realm.world import CHECKOUT

STATES = ("training", "resting", "done", "cursed", "asleep")
_KEPT_SECONDS = 86400
_RING = (
    '<rect x="16" y="16" width="480" height="480" rx="98" fill="none" stroke="#3b3249" stroke-width="32"/>'
    '<rect x="16" y="16" width="480" height="480" rx="98" fill="none" stroke="#ffd873" stroke-width="32" '
    'pathLength="100" stroke-dasharray="{percent} 100"/></svg>'
)


@login_not_required
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it on pages that name no icon: downloads, the health check."""
    return redirect(static("img/dio-asleep.svg"))


@require_safe
def ring(request: HttpRequest, state: str, percent: int) -> HttpResponse:
    """Of a battle that is fought so far, 0 to 100."""
    if state not in STATES or percent > 100:
        raise Http404(f"icon {state[:20]!r} {percent} is none: {', '.join(STATES)}, 0 to 100")
    headers = {"Cache-Control": f"public, max-age={_KEPT_SECONDS}"}
    return HttpResponse(drawn(state, percent), content_type="image/svg+xml", headers=headers)


@lru_cache(maxsize=512)
def drawn(state: str, percent: int) -> str:
    picture = (CHECKOUT / "static" / "img" / f"dio-{state}.svg").read_text(encoding="utf-8")
    return picture.strip().removesuffix("</svg>") + _RING.format(percent=percent)
