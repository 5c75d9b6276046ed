"""Actions that ask first: a page says how many rows, how many bytes and what stays; only its button does anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django_object_actions import action, takes_instance_or_queryset

from realm.strict import BadConfig
from realm.world import World
from vault.errors import VaultError

BY = "admin"
MOST_ROWS = 500
"""At a time; each is a field of the form, of which Django takes a thousand."""
CONFIRMED = "confirmed"
REFUSALS = (VaultError, BadConfig)
"""What is said to whoever asked, beside what was done."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of one row."""

    name: str
    size_bytes: int | None = None
    stays: str = ""
    """Why nothing is done with it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    sentence: str
    """What is done, to how many, with how many bytes."""
    stays: str = ""
    """What is left as it is."""
    fates: Sequence[Fate] = ()
    refusal: str = ""
    """Why it cannot be done at all."""

    @property
    def has_kept(self) -> bool:
        return any(fate.stays for fate in self.fates)


@dataclass(frozen=True, kw_only=True)
class Done:
    sentence: str = ""
    """Empty where nothing was done."""
    rows: Sequence[Any] = ()
    """With which it was done."""
    refusals: Sequence[str] = ()


class Act:
    """One action; `plan` reads only, `perform` calls what pages and commands call."""

    label: ClassVar[str]
    help: ClassVar[str]
    permission: ClassVar[str] = "alter"
    """`alter`, `discard` or `issue`: has_<permission>_permission of the admin."""
    form: ClassVar[type[forms.Form]] = forms.Form
    is_destructive: ClassVar[bool] = False

    def plan(self, world: World, rows: list[Any]) -> Plan:
        raise NotImplementedError

    def perform(self, world: World, rows: list[Any], answers: dict[str, Any]) -> Done:
        """Raises VaultError where nothing was done."""
        raise NotImplementedError


def confirmed(act: Act) -> Any:
    """A method for `actions` and `change_actions` of an admin alike."""

    def method(admin: Any, request: HttpRequest, chosen: QuerySet[Model]) -> HttpResponse | None:
        if not getattr(admin, f"has_{act.permission}_permission")(request):
            raise PermissionDenied
        rows = [] if _is_of_whole_list(request) else list(chosen[: MOST_ROWS + 1])
        if len(rows) > MOST_ROWS:
            messages.error(request, f"{act.label}: at most {MOST_ROWS} rows at a time.")
            return None
        is_confirmed = request.method == "POST" and CONFIRMED in request.POST
        form = act.form(request.POST if is_confirmed else None)
        if not is_confirmed or not form.is_valid():
            return _asked(admin, request, act, rows, form)
        _performed(admin, request, act, rows, form.cleaned_data)
        return _back(admin, request)

    asking = action(
        label=act.label,
        description=act.label,
        permissions=(act.permission,),
        attrs={"class": "destructive" if act.is_destructive else ""},
        button_type="a",
    )
    return asking(takes_instance_or_queryset(method))


def _is_from_menu(request: HttpRequest) -> bool:
    """Of the list, for the rows that were ticked; else from a button."""
    return "tool" not in _route(request)


def _is_of_whole_list(request: HttpRequest) -> bool:
    return not _is_from_menu(request) and "pk" not in _route(request)


def _route(request: HttpRequest) -> dict[str, Any]:
    return request.resolver_match.kwargs if request.resolver_match else {}


def _asked(admin: Any, request: HttpRequest, act: Act, rows: list[Model], form: forms.Form) -> HttpResponse:
    world: World = settings.WORLD
    try:
        plan = act.plan(world, rows)
    except REFUSALS as error:
        plan = Plan(sentence="", refusal=str(error))
    hidden = []
    if _is_from_menu(request):
        hidden = [("action", request.POST.get("action", "")), *((ACTION_CHECKBOX_NAME, str(row.pk)) for row in rows)]
    context = {
        **admin.admin_site.each_context(request),
        "title": act.label,
        "act": act,
        "plan": plan,
        "form": form,
        "hidden": hidden,
        "opts": admin.opts,
        "row": rows[0] if "pk" in _route(request) and rows else None,
        "back": request.get_full_path() if _is_from_menu(request) else _row_or_list(admin, rows),
    }
    request.current_app = admin.admin_site.name
    return TemplateResponse(request, "admin/vault/confirm.html", context)


def _performed(admin: Any, request: HttpRequest, act: Act, rows: list[Model], answers: dict[str, Any]) -> None:
    world: World = settings.WORLD
    try:
        done = act.perform(world, rows, answers)
    except REFUSALS as error:
        done = Done(refusals=[str(error)])
    for row in done.rows:
        admin.log_change(request, row, act.label)
    if done.sentence:
        messages.success(request, done.sentence)
    for refusal in done.refusals:
        messages.error(request, refusal)


def _back(admin: Any, request: HttpRequest) -> HttpResponse | None:
    """To where one came from; to the list where the row is gone."""
    pk = _route(request).get("pk")
    if pk is None or admin.get_queryset(request).filter(pk=pk).exists():
        return None
    return HttpResponseRedirect(_row_or_list(admin, []))


def _row_or_list(admin: Any, rows: list[Model]) -> str:
    name = f"admin:{admin.opts.app_label}_{admin.opts.model_name}"
    return reverse(f"{name}_change", args=(rows[0].pk,)) if rows else reverse(f"{name}_changelist")


def one_by_one(rows: list[Any], do: Callable[[Any], object]) -> tuple[list[Any], list[str]]:
    """The rows with which it was done, and why not with the others."""
    done, refusals = [], []
    for row in rows:
        try:
            do(row)
        except REFUSALS as error:
            refusals.append(str(error))
        else:
            done.append(row)
    return done, refusals
