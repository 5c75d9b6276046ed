"""An include whose table is read when a request comes below its address: a server that nobody asks need not hold it."""

from __future__ import annotations

from django.urls import URLResolver
from django.urls.resolvers import RoutePattern


class LateResolver(URLResolver):
    """As `include` makes it, of a module that is imported once, whichever thread comes first.

    `reverse` of a name of this namespace reads the table, too; of any other name it does not.
    """

    def _populate(self) -> None:
        """The table above asks for the names of its includes, and needs none of those in a namespace."""
        if "url_patterns" in vars(self):
            super()._populate()


def late_include(route: str, module: str, *, namespace: str) -> URLResolver:
    """To stand in a table beside `path`; `module` holds `urlpatterns`, and all its names are in `namespace`."""
    pattern = RoutePattern(route, is_endpoint=False)
    return LateResolver(pattern, module, app_name=namespace, namespace=namespace)
