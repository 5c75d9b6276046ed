"""The web process: Django for http, Channels for websockets, all behind one guard. Imports no torch."""

import os
from importlib import import_module

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from realm.logs import configuration
from realm.weaver.services import TAVERN

os.environ["DJANGO_SETTINGS_MODULE"] = "realm.settings"  # never those of another project that the shell names
configuration.with_django(import_module("realm.settings"), TAVERN)
django_application = get_asgi_application()

# Consumers import models, which exist only now.
from django.conf import settings  # noqa: E402

from realm.web import body_limit, shared_frames, slow_readers  # noqa: E402
from realm.web.guard import Guard  # noqa: E402
from realm.web.held_body import HeldBody  # noqa: E402
from realm.web.streaming import Streaming  # noqa: E402
from watchtower.routing import websocket_router  # noqa: E402

application = Guard(
    ProtocolTypeRouter({"http": HeldBody(Streaming(django_application)), "websocket": websocket_router}),
    port=settings.REALM.port,
)
body_limit.limit(application)
slow_readers.wait_for()
shared_frames.share()
