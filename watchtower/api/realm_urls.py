"""The addresses of the realm's API, in every table of addresses that has it. Reading it takes half a second."""

from watchtower.api.realm_api import api

urlpatterns = api.urls[0]
