"""What the vault's own process serves: the API and its documents, figures for Prometheus, no page."""

from django.urls import path

from watchtower.api import service
from watchtower.api.realm_api import api
from watchtower.openai_api.api import urls as openai_urls
from watchtower.prometheus.views import metrics

urlpatterns = [
    path("health", service.health, name="health"),
    path("api/", api.urls),
    path("metrics", metrics, name="metrics"),
    path("v1/", openai_urls),
]
handler404 = service.not_found
