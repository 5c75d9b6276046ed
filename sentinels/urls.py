"""What tells a supervisor or a balancer whether a web process turns and may be used, on every port of the realm's."""

from django.urls import path

from sentinels.views import livez, readyz

urlpatterns = [
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
]
