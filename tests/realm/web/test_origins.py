"""An origin that is listed is one that a browser sends, letter by letter."""

from __future__ import annotations

import pytest

from realm.web.origins import check, is_origin

RIGHT = [
    "https://a.example", "http://a.example:8080", "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8888",
    "https://xn--grn-ioa.example", "http://my_box", "https://a.example:80", "http://a.example:443",
]  # fmt: skip
WRONG = [
    "", "*", "null", "a.example", "//a.example", "file://", "https://", "https://*.example", "https://a.example/",
    "https://a.example/x", "https://a.example?", "https://a.example#", "https://u@a.example", "HTTPS://a.example",
    "https://A.example", "https://a.example:443", "http://a.example:80", "https://a.example:", "https://a.example:0",
    "https://a.example:08", "https://a.example:65536", "https://a..example", "https://-a.example", "https://a.example.",
    "https://grün.example", "http://1.2.3", "http://1.2.3.4.5", "http://256.1.1.1", "http://01.2.3.4", "http://[::0:1]",
    "http://[1.2.3.4]", "ws://a.example", "chrome-extension://abc", " https://a.example", "https://a.example\n",
    "https://a.example, https://b.example", "https://" + "a" * 64, "https://" + "a." * 130 + "example",
]  # fmt: skip


@pytest.mark.parametrize("origin", RIGHT)
def test_an_origin_as_browsers_spell_it_is_taken(origin: str) -> None:
    assert is_origin(origin)
    check((origin,), "allowed_origins")


@pytest.mark.parametrize("origin", WRONG)
def test_what_no_browser_sends_is_refused_in_one_sentence(origin: str) -> None:
    with pytest.raises(ValueError, match=r"^allowed_origins: .* is no origin; allowed is "):
        check((origin,), "allowed_origins")


def test_each_stands_there_once() -> None:
    with pytest.raises(ValueError, match="stands there twice"):
        check(("https://a.example", "https://a.example"), "allowed_origins")
