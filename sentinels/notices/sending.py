"""A notice is sent by a short process of its own, which is given the address where no list of processes shows it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from realm import strict
from realm.world import CHECKOUT
from sentinels.notices.addresses import without_secrets

MISSING = "notices need the extra `notify`: pip install 'realm-of-training[notify]'"
SECONDS = 15.0
"""A destination that takes longer was not reached."""


@dataclass(frozen=True, kw_only=True)
class Order:
    address: str = field(repr=False)
    title: str
    body: str
    seconds: float = SECONDS
    own_ports: tuple[int, ...] = ()
    """Of the realm's own servers, to which nothing is sent."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    ok: bool
    status: int | None = None
    """Of HTTP; None where it was not spoken."""
    words: str = ""
    """The server's, or why it was not reached; without any part of the address."""


Send = Callable[[Order], Answer]


def send(order: Order) -> Answer:
    """Whatever happens, within a second of the order's own time."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sentinels.notices.sender"],
            cwd=CHECKOUT, env=_ENVIRONMENT, input=json.dumps(asdict(order)), capture_output=True, text=True,
            errors="replace", timeout=order.seconds + 0.5, start_new_session=True,
        )  # fmt: skip
        answer = strict.read(Answer, json.loads(done.stdout), source="the sender")
    except subprocess.TimeoutExpired:
        answer = Answer(ok=False, words=f"no answer within {order.seconds:.0f} s")
    except (OSError, ValueError) as error:  # strict.BadConfig is one
        answer = Answer(ok=False, words=f"the sending process failed: {type(error).__name__}")
    return Answer(ok=answer.ok, status=answer.status, words=without_secrets(answer.words, order.address))


_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"
}  # fmt: skip
"""Neither proxies nor settings of the one who started the realm."""
