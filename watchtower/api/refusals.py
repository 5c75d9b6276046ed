"""What is refused before a handler of the API is asked is a problem as all else is, not a page for people."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from realm.web.problems import API_PREFIX, OPENAI_PREFIX, problem_body

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.FORBIDDEN: "A form needs the token of a page of the realm; programs ask as /api/docs says.",
    HTTPStatus.NOT_FOUND: "There is nothing here; see /api/docs.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something broke; the log has more.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database does not answer.",
}
_OF_PAGES = "text/html"


class RefusalsAsProblems:
    """A middleware, outside those that refuse: the checks of CSRF, host and method, the pages of faults."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        is_ours = request.path.startswith((API_PREFIX, OPENAI_PREFIX))
        if is_ours and response.status_code >= HTTPStatus.BAD_REQUEST and _is_for_people(response):
            kind, body = problem_body(_sentence(request, response), status=response.status_code, path=request.path)
            response.content = body
            response["Content-Type"] = kind.decode()
            response["Content-Length"] = str(len(body))
        return response


def _is_for_people(response: HttpResponse) -> bool:
    """Also ninja's answer to a method that an address does not take is none of the API's own."""
    kind = response.get("Content-Type", "")
    return not response.streaming and (
        kind.startswith(_OF_PAGES) or response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    )


def _sentence(request: HttpRequest, response: HttpResponse) -> str:
    status = HTTPStatus(response.status_code)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response["Allow"] = ", ".join(sorted(response["Allow"].split(", ")))
        return f"{request.method} is not allowed here; allowed: {response['Allow']}"
    return _SENTENCES.get(status, f"{status.phrase}.")
