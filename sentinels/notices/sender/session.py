"""HTTP as a notice may speak it, in place of the library's own."""

from __future__ import annotations

from typing import Any

import requests


class Session(requests.Session):
    """Knows nothing of the environment's proxies and passwords, and goes nowhere else than it was sent to."""

    answers: list[requests.Response]
    """Of all of them; set by whoever sends."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = super().send(request, **options)
        self.answers.append(response)
        return response
