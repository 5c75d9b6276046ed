"""How large a file of the fine-tuning API may be."""

LARGEST_BYTES = 512 * 1024**2
UPLOAD_BYTES = LARGEST_BYTES + 1024**2
"""Of a request: the file, and what a form adds to it."""
