"""The tokens at which a model itself ends, by the files that lie beside its weights. Standard library only.

They are all that is read of `generation_config.json`: how the hero decodes is the realm's own affair.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILES = ("generation_config.json", "config.json")
LARGEST_BYTES = 4_000_000
"""Of a file that says how a model is made; the largest ones name some thousand labels."""
MOST_ENDS = 64


def model_ends(folder: Path) -> frozenset[int]:
    """Ids of the tokens that `folder` names as ends, as far as its files can be read.

    They may lie beyond its vocabulary. A generation_config.json goes before a config.json, as in transformers.
    """
    for name in FILES:
        found = _ends(_read(folder / name))
        if found:
            return found
    return frozenset()


def _read(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _ends(config: dict[str, Any]) -> frozenset[int]:
    inner = config.get("text_config")
    told = config.get("eos_token_id", inner.get("eos_token_id") if isinstance(inner, dict) else None)
    ids = told[:MOST_ENDS] if isinstance(told, list) else [told]
    return frozenset(index for index in ids if type(index) is int and index >= 0)
