"""Pages and the API are of the hero that the settings name now: a switch needs no restart of the server."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from realm.config_follower import Follower


class FollowHero:
    """A middleware: before each request it asks by one `stat` whether the settings have changed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._follower = Follower(settings.WORLD)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        followed = self._follower.follow(settings.REALM)
        if followed is not settings.REALM:
            settings.REALM = followed
        return self._get_response(request)
