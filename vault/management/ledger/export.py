"""`manage.py ledger export`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import write_json
from vault.ledger.exporting import Exported, export
from vault.management.ledger.choosing import BY, add_checkpoint, add_common, chosen, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("export", help="write a folder that transformers, vLLM and others load")
    add_checkpoint(parser)
    parser.add_argument("out", help="the folder to make; it must not exist")
    parser.add_argument(
        "--adapter", action="store_true", help="the adapter alone, for peft, in place of a merged model"
    )
    add_common(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    entry, world = chosen(options), ledger_of(options).world
    made = export(
        world, entry.hero, entry.canonical_name, options["out"], adapter_only=options["adapter"], by=BY
    )  # fmt: skip
    write_json(stdout, made) if options["json"] else stdout.write(_told(made))


def _told(made: Exported) -> str:
    compared = (
        f"; largest difference of its logits {made.largest_difference:.1e}, allowed {made.tolerance:.1e}"
        if made.largest_difference is not None and made.tolerance is not None
        else ""
    )
    what = "the adapter alone" if made.kind == "adapter" else "the whole model"
    return f"{made.path} holds {what} of {made.name}, {made.size_bytes} bytes{compared}\n\n{made.load}"
