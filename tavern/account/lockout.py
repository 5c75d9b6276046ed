"""Who guessed too often is locked out for a while, and a clock that is set back makes that while no longer."""

from __future__ import annotations

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """As the library's, for which an attempt of the future counts until its moment has come and gone."""

    def get_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> list[QuerySet[Any]]:
        """Those that count, one query for each lockout parameter."""
        return [found.exclude(_of_the_future()) for found in super().get_user_attempts(request, credentials)]

    def clean_expired_user_attempts(
        self, request: HttpRequest | None = None, credentials: dict[str, Any] | None = None
    ) -> int:
        """How many were deleted, which else would be counted on at the next wrong password."""
        deleted: int = AccessAttempt.objects.filter(_of_the_future()).delete()[0]
        expired: int = super().clean_expired_user_attempts(request, credentials)
        return expired + deleted


def _of_the_future() -> Q:
    return Q(attempt_time__gt=timezone.now() + settings.AXES_COOLOFF_TIME)
