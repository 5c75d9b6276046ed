"""However an address is spelled, nobody is sent where the machine's credentials lie."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from realm.web import forbidden_addresses
from realm.web.forbidden_addresses import is_forbidden, leads_to_forbidden
from tests.support.forbidden_hosts import ALLOWED, SPELLINGS, URLS


def bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def test_every_spelling_is_forbidden() -> None:
    assert [host for host in SPELLINGS if not is_forbidden(host)] == []


def test_every_url_that_may_lead_there_is_forbidden() -> None:
    urls = [form.format(bracketed(host)) for form in URLS for host in SPELLINGS]
    assert [url for url in urls if not leads_to_forbidden(url)] == []


def test_other_hosts_are_not() -> None:
    assert [host for host in ALLOWED if is_forbidden(host)] == []
    urls = [form.format(bracketed(host)) for form in URLS for host in ALLOWED]
    assert [url for url in urls if leads_to_forbidden(url)] == []


def test_twin_without_the_reading_of_spellings_most_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden_addresses, "_plain", str)
    monkeypatch.setattr(forbidden_addresses, "_addresses", lambda host: [ip_address(host)])
    through = 0
    for host in SPELLINGS:
        try:
            through += not is_forbidden(host)
        except ValueError:
            through += 1
    assert through > len(SPELLINGS) // 2
