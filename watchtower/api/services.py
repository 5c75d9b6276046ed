"""`/api/system/services`: how each service runs, and orders to the weaver to start, stop or restart one."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from realm.weaver import WeaverError, orders
from realm.weaver.orders import ServiceOrder
from vault.api.asking import Liberal
from vault.errors import Refused
from watchtower.services import RunningService, services

router = Router()


class ServiceAsked(Liberal):
    other_names: ClassVar = {"command": "action", "order": "action"}

    action: Annotated[str, Field(description="start, stop or restart")]


class Services(Schema):
    services: list[RunningService]


class ServiceOrdered(Schema):
    success: bool
    action: str
    message: str


@router.get("/services", response=Services)
def every_service(request: HttpRequest) -> Any:
    """In the order of starting: state in words, uptime, restarts, port, processor and memory, why it does not run."""
    try:
        return {"services": services(settings.WORLD, settings.REALM)}
    except WeaverError as error:
        raise Refused(str(error)) from error


@router.post("/services/{name}", response=ServiceOrdered)
def order(request: HttpRequest, name: str, asked: ServiceAsked) -> Any:
    """It is done within the service's time to save."""
    if asked.action not in list(ServiceOrder):
        raise ValueError(f"action: {asked.action[:40]!r} is not allowed; allowed are {', '.join(ServiceOrder)}")
    try:
        said = orders.give(settings.WORLD, settings.REALM, name, ServiceOrder(asked.action))
    except WeaverError as error:
        raise Refused(str(error)) from error
    return {"success": True, "action": asked.action, "message": f"{said}."}
