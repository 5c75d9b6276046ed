"""Files of a checkpoint that hold the optimizer's moments, which most of its bytes are."""

from __future__ import annotations

OPTIMIZER_FILE = "optimizer.safetensors"
COMPRESSED_FILE = f"{OPTIMIZER_FILE}.zst"
"""The same, as a frame of Zstandard."""
MOMENT_FILES = (OPTIMIZER_FILE, COMPRESSED_FILE)
