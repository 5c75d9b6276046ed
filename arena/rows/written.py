"""A row as the realm writes it down again, whatever form it came in. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from arena.rows.model import Content


def to_jsonl(contents: Iterable[Content]) -> bytes:
    """Lines that are read as these contents, by the forms that are built in."""
    return b"".join(json.dumps(_row(content), ensure_ascii=False).encode() + b"\n" for content in contents)


def _row(content: Content) -> dict[str, Any]:
    if isinstance(content, str):
        return {"text": content}
    turns = [
        {"role": said.role, "content": said.content} | ({"train": False} if said.given else {}) for said in content
    ]
    return {"messages": turns}
