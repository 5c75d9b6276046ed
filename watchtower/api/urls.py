"""What the vault's own process serves: the API and its documents, figures for Prometheus, no page."""

from django.urls import include, path

from realm.web.late_urls import late_include
from watchtower.api import service
from watchtower.prometheus.views import metrics

urlpatterns = [
    path("health", service.health, name="health"),
    path("", include("sentinels.urls")),
    late_include("api/", "watchtower.api.realm_urls", namespace="api"),
    path("metrics", metrics, name="metrics"),
    late_include("v1/", "watchtower.openai_api.urls", namespace="openai"),
]
handler404 = service.not_found
