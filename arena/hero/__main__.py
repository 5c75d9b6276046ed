"""`python -m arena.hero`: what others want of a hero's weights, in a process of its own: few processes load torch.

`merge CHECKPOINT OUT` writes a checkpoint as a model folder that transformers loads; `compare CHECKPOINT FOLDER` says
how far the logits of a model folder are from the checkpoint's, and fails where that is more than rounding;
`gguf CHECKPOINT OUT` writes one file that llama.cpp and Ollama load, and its record.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m arena.hero", description=__doc__)
    commands = parser.add_subparsers(required=True)
    add_merge(commands)
    against = commands.add_parser("compare", help="hold a model folder's logits against a checkpoint's")
    against.add_argument("checkpoint", type=Path, help="folder of the checkpoint, in its hero's folder")
    against.add_argument("folder", type=Path, help="folder of the model")
    against.set_defaults(do=lambda arguments: compare(arguments.checkpoint, arguments.folder))
    one_file = commands.add_parser("gguf", help="write a checkpoint as a GGUF file, with the record of its digests")
    one_file.add_argument("checkpoint", type=Path, help="folder of the checkpoint, in its hero's folder")
    one_file.add_argument("out", type=Path, help="file to make")
    one_file.add_argument("--type", choices=("f32", "f16"), default="f32", help="of its matrices; default f32")
    one_file.set_defaults(do=lambda arguments: gguf(arguments.checkpoint, arguments.out, arguments.type))
    return run(parser.parse_args())


def add_merge(commands: Any) -> None:
    """The command `merge`, also that of `python -m arena.training`; `commands` are argparse's sub-parsers."""
    parser = commands.add_parser("merge", help="write a checkpoint as a model folder, its adapter merged, and compare")
    parser.add_argument("checkpoint", type=Path, help="folder of the checkpoint, in its hero's folder")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    parser.set_defaults(do=lambda arguments: merge(arguments.checkpoint, arguments.out, as_json=arguments.json))


def run(arguments: argparse.Namespace) -> int:
    """The exit status of the chosen command; 1 where a checkpoint or model cannot be used, told on standard error."""
    # Imported late: torch takes seconds, --help and a wrong argument should not.
    from arena.hero.origin import IncompatibleCheckpoint, UnloadableHero
    from realm.checkpoints.sidecar import DamagedCheckpoint

    do: Callable[[argparse.Namespace], int] = arguments.do
    try:
        return do(arguments)
    except (DamagedCheckpoint, IncompatibleCheckpoint, UnloadableHero, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def merge(checkpoint: Path, out: Path, *, as_json: bool = False) -> int:
    from arena.hero.export import export

    made = export(checkpoint, out)
    if as_json:
        print(json.dumps(asdict(made)))
        return 0
    print(
        f"{made.checkpoint} ({made.mode}) is now {out}; largest difference of its logits "
        f"{made.largest_difference:.1e}, allowed {made.tolerance:.1e}"
    )
    return 0


def compare(checkpoint: Path, folder: Path) -> int:
    from arena.hero.export import compare

    found = compare(checkpoint, folder)
    print(
        f"{folder} {'answers as' if found.holds else 'answers otherwise than'} {checkpoint.name}; largest difference "
        f"of its logits {found.largest_difference:.1e}, allowed {found.tolerance:.1e}"
    )
    return 0 if found.holds else 1


def gguf(checkpoint: Path, out: Path, tensor_type: Any) -> int:
    from arena.hero.gguf import export

    made = export(checkpoint, out, tensor_type=tensor_type)
    print(f"{out} is {made.id} with weights {made.sha256[:12]}, in {made.tensor_type}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
