"""What officers and their callers say to one another: names, the version of the protocol, sizes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

PROTOCOL = "1"
PROTOCOL_HEADER = "Realm-Protocol"
OFFSET_HEADER = "Upload-Offset"
SENDER_HEADER = "Realm-Sender"
BUSY, OPEN, THERE, DONE = "busy", "open", "there", "done"
"""What becomes of an upload: another caller sends it, it may be sent, it is there already, it is there now."""
SERVICE = "branch officer"
LARGEST_MANIFEST_BYTES = 64 * 1024**2
"""Of a request or a reply that holds a manifest, or the list of all assets."""
LARGEST_REPLY_BYTES = 256 * 1024
MOST_VALUES = 4_000_000
"""Of such a list; each takes a hundred times the room in memory that it takes in the text."""


def decode(text: bytes) -> Any:
    """Of JSON from another machine. Raises ValueError, RecursionError."""
    if sum(map(text.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")
    return json.loads(text)


def path_of(asset_id: str, path: str = "") -> str:
    """Where an asset's transfer information is told, or one of its files is served."""
    return f"/fetch/{quote(asset_id, safe='')}" + (f"/{quote(path)}" if path else "")


def upload_path(upload: str, path: str) -> str:
    """Where bytes of a file are sent to."""
    return f"/receive/{quote(upload, safe='')}/{quote(path)}"


def other_protocol(theirs: str, *, who: str) -> str:
    """One sentence that names both versions."""
    said = f"version {theirs[:20]!r}" if theirs else "no version"
    return f"{who} speaks {said} of the protocol between zones, this one speaks version {PROTOCOL!r}: update the older"
