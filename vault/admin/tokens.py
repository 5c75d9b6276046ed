from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html

from realm.world import World
from vault import tokens
from vault.admin.base import VaultAdmin
from vault.admin.columns import NOTHING, age
from vault.admin.confirming import BY, Act, Done, Fate, Plan, confirmed, one_by_one
from vault.admin.counted import Facet
from vault.errors import VaultError
from vault.models import Token

PURPOSES = {
    "zone": "zone: machines push and pull",
    "api": "api: reads and acts on port 8767",
    "read": "read: reads on port 8767",
    "chat": "chat: asks the models that the oracle has loaded",
    "oracle": "oracle: loads and unloads them, too",
}


class NewTokenForm(forms.Form):
    purpose = forms.ChoiceField(choices=list(PURPOSES.items()))
    zone = forms.CharField(max_length=80, required=False, help_text="Only for this zone; empty: for all.")
    days = forms.IntegerField(min_value=1, max_value=3650, required=False, help_text="It ends by itself; empty: never.")


class Revoke(Act):
    label = "Revoke"
    help = "It opens nothing from now on."
    permission = "discard"
    is_destructive = True

    def plan(self, world: World, rows: list[Token]) -> Plan:
        valid = [row for row in rows if row.revoked_at is None]
        return Plan(
            sentence=f"{len(valid)} of {len(rows)} tokens open nothing from now on; this cannot be taken back.",
            stays="What was sent with them stays, and so do these rows.",
            fates=[Fate(name=str(row), stays="revoked already" if row.revoked_at else "") for row in rows],
        )

    def perform(self, world: World, rows: list[Token], answers: dict[str, Any]) -> Done:
        valid = [row for row in rows if row.revoked_at is None]
        done, refusals = one_by_one(valid, lambda row: tokens.revoke(world, row.token_id, by=BY))
        return Done(sentence=f"Revoked: {', '.join(map(str, done))}." if done else "", rows=done, refusals=refusals)


@admin.register(Token)
class TokenAdmin(VaultAdmin):
    list_display = ("token_id", "purpose", "zone", "state", "age", "expires", "used")
    facets = (Facet(parameter="purpose", title="purpose"), Facet(parameter="zone", title="zone"))
    texts = ("token_id", "zone")
    fields = ("token_id", "purpose", "zone", "state", "created_at", "expires_at", "last_used_at", "revoked_at")
    revoke = confirmed(Revoke())
    actions = change_actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_issue_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Shows the secret in this one answer; it is kept nowhere, not in the session either."""
        if not self.has_issue_permission(request):
            raise PermissionDenied
        form = NewTokenForm(request.POST if request.method == "POST" else None)
        issued = self._issue(request, form) if form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "title": "New token",
            "form": form,
            "issued": issued,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/vault/new_token.html", context)

    def _issue(self, request: HttpRequest, form: NewTokenForm) -> Any:
        world: World = settings.WORLD
        asked = form.cleaned_data
        try:
            issued = tokens.issue(world, purpose=asked["purpose"], zone=asked["zone"], days=asked["days"], by=BY)
        except VaultError as error:
            form.add_error(None, str(error))
            return None
        self.log_addition(request, Token.objects.get(token_id=issued.token.token_id), "New token")
        return issued

    @admin.display(description="state")
    def state(self, row: Token) -> str:
        if row.revoked_at:
            return "revoked"
        return "expired" if row.expires_at and row.expires_at <= timezone.now() else "valid"

    @admin.display(description="age", ordering="created_at")
    def age(self, row: Token) -> str:
        return age(row.created_at)

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, row: Token) -> str:
        return f"{row.expires_at:%Y-%m-%d}" if row.expires_at else "never"

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, row: Token) -> str:
        return format_html("{} ago", age(row.last_used_at)) if row.last_used_at else NOTHING
