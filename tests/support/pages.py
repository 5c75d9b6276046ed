"""Pages as tests compare them, however their templates are broken into lines."""

from __future__ import annotations

import re


def in_one_line(html: str) -> str:
    """Return the markup with one blank for each run of white space and none beside a tag."""
    html = re.sub(r"[ \t\r\n\f]+", " ", html)
    html = re.sub(r" ?(<[^<>]*>) ?", r"\1", html)
    return re.sub(r" (/?>)", r"\1", html)
