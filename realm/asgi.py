"""The web process: Django for http, Channels for websockets, all behind one guard. Imports no torch."""

import os
from importlib import import_module

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from realm.logs import configuration
from realm.weaver.services import TAVERN
from realm.weaver.starter import SERVICE_VARIABLE

os.environ["DJANGO_SETTINGS_MODULE"] = "realm.settings"  # never those of another project that the shell names
configuration.with_django(import_module("realm.settings"), os.environ.get(SERVICE_VARIABLE, TAVERN))
django_application = get_asgi_application()

# Consumers import models, which exist only now.
from django.conf import settings  # noqa: E402

from realm.processes import open_files  # noqa: E402
from realm.web import body_limit, login, pulse, served_hosts, shared_frames, slow_readers, tokens  # noqa: E402
from realm.web.answer_headers import AnswerHeaders  # noqa: E402
from realm.web.client_address import BehindProxies  # noqa: E402
from realm.web.cors import Cors  # noqa: E402
from realm.web.guard import Guard  # noqa: E402
from realm.web.held_body import HeldBody  # noqa: E402
from realm.web.host_cookies import HostCookies  # noqa: E402
from realm.web.streaming import Streaming  # noqa: E402
from tavern.account.wall import LoginWall  # noqa: E402
from watchtower.routing import websocket_router  # noqa: E402

if why := login.lack_of_account(settings.REALM):
    raise SystemExit(f"The Tavern does not open: {why}.")
inner = ProtocolTypeRouter({"http": HeldBody(Streaming(django_application)), "websocket": websocket_router})
wall = LoginWall(inner, tokens.of_world(settings.WORLD), processes=1 + len(settings.REALM.web_ports))
cookies = HostCookies(
    wall,
    public_origins=settings.REALM.public_origins,
    names=(settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME),
)
guard = Guard(
    cookies,
    port=settings.REALM.port,
    hosts=served_hosts.of_server(
        settings.REALM.bind, settings.REALM.port, settings.REALM.public_origins, other_ports=settings.REALM.web_ports
    ),
)
door = Cors(guard, settings.REALM.allowed_origins)
proxies = BehindProxies(door, settings.REALM.trusted_proxies)
body_limit.limit(door, lambda scope: wall.lets_in(cookies.seen(proxies.seen(scope))))
application = AnswerHeaders(proxies)
open_files.raise_limit()
slow_readers.wait_for()
shared_frames.share()
pulse.begin()
