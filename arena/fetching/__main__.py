from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import arena.fetching as package
from arena.profiles.hub import WANTED, cache_folder
from realm.web import forbidden_connections

TELL_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m arena.fetching", description=package.__doc__)
    parser.add_argument("model", help="hub id, such as Qwen/Qwen3-0.6B")
    model: str = parser.parse_args().model
    forbidden_connections.refuse()
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    ended = threading.Event()
    try:
        files = HfApi().model_info(model, files_metadata=True).siblings or []
        wanted = [file for file in files if any(fnmatch(file.rfilename, pattern) for pattern in WANTED)]
        total = sum(file.size or 0 for file in wanted)
        threading.Thread(target=_tell_progress, args=(model, total, ended), daemon=True).start()
        folder = snapshot_download(model, allow_patterns=list(WANTED))
    except Exception as error:  # the library, the network and the disk fail in every way
        tell(failed=" ".join(f"{type(error).__name__}: {error}".split())[:400])
        return 1
    finally:
        ended.set()
    tell(folder=folder)
    return 0


def _tell_progress(model: str, total: int, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            tell(done=min(total, _size(cache_folder(model) / "blobs")), of=total)
        except BrokenPipeError:  # the daemon is gone, and its successor fetches again what is not whole
            os._exit(1)
        ended.wait(TELL_SECONDS)


def _size(folder: Path) -> int:
    """Of what lies there, whole files and those that are on their way."""
    size = 0
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                size += path.stat().st_size
    return size


def tell(**said: Any) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main())
