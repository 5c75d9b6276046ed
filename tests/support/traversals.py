"""Spellings of paths that would lead out of a folder if somebody joined, decoded or normalized them carelessly."""

from __future__ import annotations

from itertools import cycle, product

_UP = (
    "..", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "..;", "\uff0e\uff0e", "\u2025", "%c0%ae%c0%ae", "..%00", "../.",
    "....",
)  # fmt: skip
_SLASHES = ("/", "\\", "%2f", "%5C", "%252f", "//", "/./", "\u2215", "%c0%af")
_FRONTS = ("", "/", "checkpoint_1/", "./")
_ALONE = (
    "", ".", "..", "/", "//", "\\", "~", "~root", "$HOME", "-rf", "\0", "a\0b", "a\nb", "a\r\nX-A: b", "\ud800",
    "a" * 5000, "/".join("a" * 600), ".tmp-a", ".tmp-a/b", "a/.tmp-b", "/etc/passwd", "//etc/passwd", "///etc/passwd",
    "/etc//passwd", "file:///etc/passwd", "file:/etc/passwd", "http://127.0.0.1:1/a", "\\\\host\\share\\a",
    "C:\\Windows\\win.ini", "C:/Windows/win.ini", "/proc/self/environ", "/proc/self/root/etc/passwd", "/dev/zero",
    "/dev/fd/0", "NUL", "a/", "/a/", "a//b", "a/./b", "a/../b", "a/b/..", "..a/../..", "a:b", "a|b", "`id`", "$(id)",
    "*", "?", "a?b=..", "a#..",
)  # fmt: skip
"""Alone, since nothing is put before or behind them."""
_DEPTHS = (1, 2, 3, 8, 15)


def traversals(target: str = "etc/passwd") -> list[str]:
    """At least 400 spellings, each another one; those that lead somewhere lead to `target`, from below the root.

    Some are names of files that may well exist, such as `%2e%2e`: what none of them may do is to lead out.
    """
    climbing = (
        front + slash.join((up,) * depth + (target.replace("/", slash),))
        for (front, up, slash), depth in zip(product(_FRONTS, _UP, _SLASHES), cycle(_DEPTHS), strict=False)
    )
    return list(dict.fromkeys((*_ALONE, *climbing)))
