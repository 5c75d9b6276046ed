"""`python -m sentinels.notices.sender`: an order on standard input, an answer on standard output."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict

from realm.processes.memory_limit import limit_memory
from sentinels.notices.sender.delivery import deliver
from sentinels.notices.sender.fence import raise_fence
from sentinels.notices.sending import Answer, Order

_MOST_BYTES = 512 * 1024**2


def main() -> None:
    order = Order(**json.load(sys.stdin))
    signal.alarm(int(order.seconds) + 1)  # whoever asked may be gone
    limit_memory(_MOST_BYTES)
    with suppress(ImportError):  # told by `deliver`
        import apprise  # noqa: F401  # before the fence, since modules look at the machine
    refused: list[str] = []
    raise_fence(order.own_ports, refused.append)
    try:
        answer = deliver(order, refused)
    except Exception as error:
        answer = Answer(ok=False, words=refused[0] if refused else f"{type(error).__name__}: {error}"[:300])
    print(json.dumps(asdict(answer)), file=sys.__stdout__)


if __name__ == "__main__":
    main()
