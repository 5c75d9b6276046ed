"""All pages and APIs under one root; each app keeps its own table."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("tavern.urls")),
]
