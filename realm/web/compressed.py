"""Texts are sent compressed: pages each time, static files once.

What programs ask for is left alone: it comes from this machine, and what flows on would be late. Pages hold tokens
beside words of the visitor's, so their length is blurred by random bytes (BREACH), which Django's own compression does.
"""

from __future__ import annotations

import gzip
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware, re_accepts_gzip
from django.utils.cache import patch_vary_headers

from realm.web.answer_headers import STATIC_PREFIX

_TEXTS = (
    "text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml",
)  # fmt: skip
LEAST_BYTES = 500
MOST_KEPT = 400
"""Static files; all of them are some 500 kB once they are compressed."""


class Compressed(GZipMiddleware):
    """Stands outside what serves static files."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._kept: dict[str, tuple[str, bytes]] = {}

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.headers.get("Content-Type", "").startswith(_TEXTS):
            return response
        if isinstance(response, StreamingHttpResponse):
            is_static = request.path.startswith(STATIC_PREFIX) and response.status_code == 200
            return self._static(request, response) if is_static else response
        return super().process_response(request, response)

    def _static(self, request: HttpRequest, response: StreamingHttpResponse) -> HttpResponseBase:
        patch_vary_headers(response, ("Accept-Encoding",))
        accepts = re_accepts_gzip.search(request.headers.get("Accept-Encoding", ""))
        is_small = int(response.headers.get("Content-Length", 0)) < LEAST_BYTES
        if not accepts or is_small or request.method != "GET" or response.has_header("Content-Encoding"):
            return response
        body = self._body(request.path, response)
        response.close()
        headers = {name: value for name, value in response.items() if name not in ("ETag", "Content-Length")}
        return HttpResponse(body, headers=headers | {"Content-Encoding": "gzip", "Content-Length": str(len(body))})

    def _body(self, path: str, response: StreamingHttpResponse) -> bytes:
        changed = response.headers.get("Last-Modified", "")
        kept = self._kept.get(path)
        if kept is None or kept[0] != changed:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            kept = changed, gzip.compress(b"".join(response), mtime=0)
            self._kept[path] = kept
        return kept[1]
