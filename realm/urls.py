"""All pages and APIs under one root; each app keeps its own table."""

from django.contrib import admin
from django.urls import include, path

from sentinels.views import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("", include("tavern.urls")),
]
