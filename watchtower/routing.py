"""WebSocket addresses of the watchtower."""

from typing import Any, cast

from channels.routing import URLRouter
from django.urls import path

from watchtower.consumers import BattleConsumer

# Channels routes ASGI applications with Django's path(), whose stubs know only views.
_routes: list[Any] = [path("ws/battle/", cast(Any, BattleConsumer.as_asgi()))]
websocket_router = URLRouter(_routes)
