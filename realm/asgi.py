"""The web process: Django for http, Channels for websockets, all behind one guard. Imports no torch."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realm.settings")
application = get_asgi_application()
