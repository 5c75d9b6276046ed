"""What is asked by a method that an address does not take is refused as all else is, in JSON."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from realm.web.problems import API_PREFIX, OPENAI_PREFIX, problem_body

_NOT_ALLOWED = 405


class NotAllowedAsJson:
    """A middleware: ninja answers before any handler of errors is asked."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code != _NOT_ALLOWED or not request.path.startswith((API_PREFIX, OPENAI_PREFIX)):
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        sentence = f"{request.method} is not allowed here; allowed: {allowed}"
        kind, body = problem_body(sentence, status=_NOT_ALLOWED, path=request.path)
        return HttpResponse(body, status=_NOT_ALLOWED, headers={"Allow": allowed}, content_type=kind.decode())
