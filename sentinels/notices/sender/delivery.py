"""One notice by apprise, and what the server answered."""

from __future__ import annotations

from typing import Any

from sentinels.notices.sending import MISSING, Answer, Order

_LONGEST_WORDS = 300


def deliver(order: Order, refused: list[str]) -> Answer:
    """`refused` holds what the fence refuses meanwhile."""
    try:
        import apprise
        import requests

        from sentinels.notices.sender.session import Session
    except ImportError:
        return Answer(ok=False, words=MISSING)
    answers: list[requests.Response] = []
    Session.answers = answers
    requests.Session = requests.sessions.Session = Session  # type: ignore[misc]  # requests.post makes one of its own
    asset = apprise.AppriseAsset(
        app_id="Realm of Training", app_desc="Realm of Training", async_mode=False, http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY, pgp_autogen=False, pem_autogen=False,
        image_url_mask="", image_url_logo="", service_timeout=order.seconds,
    )  # fmt: skip
    service = apprise.Apprise.instantiate(order.address, asset=asset)
    if service is None:
        return Answer(ok=False, words=f"the address is not understood: {_scheme(order)} wants other parts")
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    result = sender.notify(order.body, title=order.title, body_format=apprise.NotifyFormat.TEXT)
    words = refused[0] if refused and not result else _words(result, answers)
    return Answer(ok=bool(result), status=answers[-1].status_code if answers else None, words=words[:_LONGEST_WORDS])


def _words(result: Any, answers: list[Any]) -> str:
    """The server's own, or else the library's last ones."""
    if answers:
        said = " ".join(answers[-1].text.split())
        return f"{answers[-1].status_code} {answers[-1].reason}{said and f': {said}'}"
    logs = [entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR", "CRITICAL")]
    return logs[-1] if logs else "taken by the server" if result else "it was not sent, nobody says why"


def _scheme(order: Order) -> str:
    return order.address.partition(":")[0]
