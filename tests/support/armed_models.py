"""Model folders that run a program when they are loaded carelessly: each leaves a canary where it ran."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Arm = Callable[[Path, Path], object]
"""Changes the folder of a whole model so that the canary appears once something of it runs."""


class _Touch:
    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return (os.system, (f"touch '{self._canary}'",))


def _pickle(name: str, *, zipped: bool = False) -> Arm:
    """As the only weights; `zipped` as torch.save writes since 1.6."""

    def arm(folder: Path, canary: Path) -> None:
        (folder / "model.safetensors").unlink()
        data = pickle.dumps(_Touch(canary))
        if not zipped:
            (folder / name).write_bytes(data)
            return
        with zipfile.ZipFile(folder / name, "w") as file:
            file.writestr("archive/data.pkl", data)
            file.writestr("archive/version", "3")

    return arm


def _beside(name: str) -> Arm:
    """A pickle beside weights that are right."""

    def arm(folder: Path, canary: Path) -> None:
        (folder / name).write_bytes(pickle.dumps(_Touch(canary)))

    return arm


def _edit(name: str, **keys: Any) -> Arm:
    def arm(folder: Path, canary: Path) -> None:
        (folder / "own.py").write_text(f"import os\nos.system(\"touch '{canary}'\")\nclass Own: pass\n")
        path = folder / name
        told = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(told | keys))

    return arm


def _template(body: str) -> Arm:
    def arm(folder: Path, canary: Path) -> None:
        (folder / "chat_template.jinja").write_text(body.replace("CANARY", str(canary)))

    return arm


def _custom_generate(folder: Path, canary: Path) -> None:
    """Code that transformers runs in place of its own generation."""
    place = folder / "custom_generate"
    place.mkdir()
    (place / "generate.py").write_text(f"import os\nos.system(\"touch '{canary}'\")\ndef generate(*a, **k): pass\n")
    _edit("generation_config.json", custom_generate=str(folder))(folder, canary)


def _link_out(folder: Path, canary: Path) -> None:
    """Weights that lie elsewhere, in a pickle."""
    outside = canary.parent / "elsewhere.bin"
    outside.write_bytes(pickle.dumps(_Touch(canary)))
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(outside)


_GLOBALS = "{{ cycler.__init__.__globals__.os.system(\"touch 'CANARY'\") }}"
_CLASSES = (
    "{% for c in ''.__class__.__mro__[1].__subclasses__() %}{% if c.__name__ == 'Popen' %}"
    "{{ c('touch CANARY', shell=True) }}{% endif %}{% endfor %}"
)
_ATTR = "{{ (lipsum|attr('__globals__'))['os'].popen('touch CANARY').read() }}"
_BOMB = "{%- for a in range(99999) %}{%- for b in range(99999) %}x{%- endfor %}{%- endfor %}"
_OWN = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}

ARMED: dict[str, Arm] = {
    "pytorch_model.bin": _pickle("pytorch_model.bin"),
    "pytorch_model.bin as torch.save writes it": _pickle("pytorch_model.bin", zipped=True),
    "model.pt": _pickle("model.pt"),
    "model.safetensors that is a pickle": _pickle("model.safetensors"),
    "adapter_model.bin beside": _beside("adapter_model.bin"),
    "training_args.bin beside": _beside("training_args.bin"),
    "optimizer.pt beside": _beside("optimizer.pt"),
    "auto_map of a model": _edit("config.json", model_type="own", auto_map=_OWN),
    "auto_map of a known type": _edit("config.json", auto_map=_OWN),
    "auto_map of a tokenizer": _edit(
        "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", "own.Own"]}
    ),
    "custom_generate": _custom_generate,
    "template that reaches for globals": _template(_GLOBALS),
    "template that reaches for classes": _template(_CLASSES),
    "template that reaches by attr": _template(_ATTR),
    "template that is a bomb": _template(_BOMB),
    "a link out of the folder": _link_out,
    "a config of 3 GB": lambda folder, canary: os.truncate(folder / "config.json", 3 * 10**9),
    "a FIFO for a tokenizer": lambda folder, canary: (
        (folder / "tokenizer.json").unlink(),
        os.mkfifo(folder / "tokenizer.json"),
    ),
}  # fmt: skip

HARMLESS = frozenset(
    {
        "adapter_model.bin beside", "training_args.bin beside", "optimizer.pt beside",
        "auto_map of a known type", "auto_map of a tokenizer",
        "custom_generate",
    }
)  # fmt: skip
"""What may answer, since what is armed in them is nothing that is read."""
