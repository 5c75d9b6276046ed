"""All pages and APIs under one root; each app keeps its own table."""

from django.contrib import admin
from django.urls import include, path

from sentinels.views import health
from watchtower.api.realm_api import api
from watchtower.openai_api.api import urls as openai_urls
from watchtower.prometheus.views import metrics

admin.autodiscover()
urlpatterns = [
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("api/", api.urls),
    path("metrics", metrics, name="metrics"),
    path("v1/", openai_urls),
    path("", include("tavern.urls")),
]
