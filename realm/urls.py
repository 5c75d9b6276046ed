"""All pages and APIs under one root; each app keeps its own table."""

from django.contrib import admin
from django.urls import include, path

from realm.web.late_urls import late_include
from sentinels.views import health
from watchtower.prometheus.views import metrics

admin.autodiscover()
urlpatterns = [
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("", include("sentinels.urls")),
    late_include("api/", "watchtower.api.realm_urls", namespace="api"),
    path("metrics", metrics, name="metrics"),
    late_include("v1/", "watchtower.openai_api.urls", namespace="openai"),
    path("", include("tavern.urls")),
]
