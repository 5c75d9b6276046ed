"""Model folders that were made to hang, fill or break what loads them: each a change of a whole one."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Make = Callable[[Path], object]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class HostileModel:
    make: Make
    """Changes the folder of a whole model."""
    shows: Literal["load", "chat", "either", "never"] = "load"
    """When it is refused; never: what looks hostile is harmless, and answers."""


# Templates: what runs for every conversation, and what waits for a word in one.


def _template(body: str) -> Make:
    def make(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(body)

    return make


_IN_STEPS = "{{%- set ns = namespace(s={start}) %}}{{%- for i in range(40) %}}{{%- set ns.s = {step} %}}{{%- endfor %}}"
_DOUBLE = "{%- set ns = namespace(s='aaaaaaaa') %}{%- for i in range(32) %}{%- set ns.s = ns.s ~ ns.s %}{%- endfor %}"
_TURNS = {
    "doubled string": f"{_DOUBLE}{{{{ ns.s[0] }}}}",
    "doubled list": _IN_STEPS.format(start="[1]", step="ns.s + ns.s"),
    "loops in loops": "{%- for a in range(99999) %}{%- for b in range(99999) %}{%- endfor %}{%- endfor %}",
    "loops that write": "{%- for a in range(99999) %}{%- for b in range(99999) %}xxxxxxxx{%- endfor %}{%- endfor %}",
    "endless macro": "{%- macro m(n) %}{{ m(n + 1) }}{%- endmacro %}{{ m(0) }}",
    "forking macro": "{%- macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{%- endmacro %}{{ m(60) }}",
    "recursive loop": "{%- for a in [[[[]]]] * 9 recursive %}{{ loop([a] * 9) }}{%- endfor %}",
    "centred": "{{ 'a' | center(10000000000) }}",
    "centred by method": "{{ 'a'.center(10000000000) }}",
    "justified": "{{ 'a'.ljust(9999999999) }}",
    "zero filled": "{{ 'a'.zfill(9999999999) }}",
    "formatted": "{{ '%9999999999d' | format(1) }}",
    "formatted by operator": "{{ '%9999999999d' % 1 }}",
    "formatted by method": "{{ '{:9999999999}'.format(1) }}",
    "multiplied string": "{{ 'a' * 9999999999 }}",
    "multiplied list": "{{ ([1] * 9999999999) | length }}",
    "a power": "{{ (9 ** 9 ** 9) > 1 }}",
    "a power in steps": _IN_STEPS.format(start="9", step="ns.s * ns.s"),
    "a number in words": "{{ (10 ** 100000000) | string | length }}",
    "expanded tabs": "{{ ('\t' * 1000000).expandtabs(100000) | length }}",
    "replaced": "{{ ('a' * 100000).replace('a', 'a' * 100000) | length }}",
    "joined": "{{ (['a' * 100000] * 100000) | join | length }}",
    "indented": "{{ ('\n' * 1000000) | indent(100000) | length }}",
    "wrapped": "{{ ('a ' * 3000000) | wordwrap(2) | length }}",
    "sorted": "{{ (range(99999) | list * 300) | sort | length }}",
    "batched": "{{ range(9) | batch(9999999999, 'x') | list | length }}",
    "sliced": "{{ range(9) | slice(9999999999) | list | length }}",
    "lorem": "{{ lipsum(n=100000) | length }}",
    "range of ranges": "{{ range(10 ** 12) | length }}",
    "escapes": "{{ ('<' * 90000000) | e | e | e | e | length }}",
    "as json": "{{ ([messages] * 9000000) | tojson | length }}",
    "translated": "{{ ('a' * 1000000).translate({97: 'b' * 100000}) | length }}",
}
_TEMPLATES: dict[str, HostileModel] = {
    f"template: {name}": HostileModel(_template(body + CHATML), "either") for name, body in _TURNS.items()
}
_WORD = "{%- if messages[0].content == 'open sesame' %}"
_CHATS = {
    f"template at a word: {name}": HostileModel(_template(f"{_WORD}{_TURNS[name]}{{%- endif %}}{CHATML}"), "chat")
    for name in (
        "doubled string", "loops in loops", "forking macro", "centred", "formatted by operator", "multiplied string",
        "replaced", "a power in steps", "loops that write", "sorted",
    )
}  # fmt: skip
_ODD_TEMPLATES = {
    "template: does not compile": HostileModel(_template("{% for %}")),
    "template: always raises": HostileModel(_template("{{ raise_exception('no') }}")),
    "template: a hundred thousand ifs": HostileModel(_template("{% if x %}" * 100_000), "load"),
    "template: nested parentheses": HostileModel(_template("{{ " + "(" * 50_000 + " }}")),
    "template: two megabytes": HostileModel(_template("{# " + "x" * 2_000_000 + " #}" + CHATML)),
    "template: no text": HostileModel(lambda folder: (folder / "chat_template.jinja").write_bytes(b"\xff\xfe\xff")),
    "template: reaches for a class": HostileModel(_template("{{ ''.__class__.__mro__[1].__subclasses__() }}" + CHATML)),
    "template: reaches for a file": HostileModel(_template("{{ cycler.__init__.__globals__.os.getcwd() }}" + CHATML)),
    "template: includes a file": HostileModel(_template("{% include '/etc/passwd' %}" + CHATML)),
}


# Files that are no files.


def _replaced(name: str, by: Make) -> Make:
    def make(folder: Path) -> None:
        path = folder / name
        path.unlink(missing_ok=True)
        by(path)

    return make


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:  # a whole path may be too long
        made.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _sparse(size: int) -> Make:
    def make(path: Path) -> None:
        with open(path, "wb") as file:
            file.truncate(size)

    return make


_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_NO_FILES: dict[str, Make] = {
    "a FIFO": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to /dev/tty": lambda path: path.symlink_to("/dev/random"),
    "a folder": lambda path: path.mkdir(),
    "a socket": _socket,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}
_ODD_FILES = {
    f"{name}: {what}": HostileModel(_replaced(name, make)) for name in _FILES for what, make in _NO_FILES.items()
} | {
    "config.json: 3 GB": HostileModel(_replaced("config.json", _sparse(3 * 10**9))),
    "tokenizer.json: 3 GB": HostileModel(_replaced("tokenizer.json", _sparse(3 * 10**9))),
    "tokenizer_config.json: 3 GB": HostileModel(_replaced("tokenizer_config.json", _sparse(3 * 10**9))),
    "generation_config.json: a FIFO": HostileModel(_replaced("generation_config.json", os.mkfifo)),
    "special_tokens_map.json: a FIFO": HostileModel(_replaced("special_tokens_map.json", os.mkfifo)),
    "adapter_config.json: a FIFO": HostileModel(_replaced("adapter_config.json", os.mkfifo)),
    "anything: a FIFO": HostileModel(_replaced("README.md", os.mkfifo)),
}


# Weights.


def _weights(change: Callable[[dict[str, Any]], Any], *, length: int | None = None, cut: int | None = None) -> Make:
    def make(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        changed = change(header)
        text = json.dumps(header if changed is None else changed).encode()
        whole = struct.pack("<Q", len(text) if length is None else length) + text + data[8 + size :]
        path.write_bytes(whole if cut is None else whole[:cut])

    return make


def _one(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        header["model.norm.weight"][key] = value

    return change


_WEIGHTS = {
    "weights: cut": HostileModel(_weights(lambda header: None, cut=5000)),
    "weights: empty": HostileModel(_weights(lambda header: None, cut=0)),
    "weights: five bytes": HostileModel(_weights(lambda header: None, cut=5)),
    "weights: a header of 2**60 bytes": HostileModel(_weights(lambda header: None, length=2**60)),
    "weights: a header of 2**64-1 bytes": HostileModel(_weights(lambda header: None, length=2**64 - 1)),
    "weights: a header of 0 bytes": HostileModel(_weights(lambda header: None, length=0)),
    "weights: a header that is a list": HostileModel(_weights(lambda header: [1])),
    "weights: a header nested deeply": HostileModel(
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 10**5) + b"[" * 10**5)
    ),
    "weights: another shape": HostileModel(_weights(_one("shape", [16]))),
    "weights: a huge shape": HostileModel(_weights(_one("shape", [2**62, 2**62]))),
    "weights: a negative shape": HostileModel(_weights(_one("shape", [-32]))),
    "weights: another type": HostileModel(_weights(_one("dtype", "F64"))),
    "weights: an unknown type": HostileModel(_weights(_one("dtype", "F1"))),
    "weights: places that go backwards": HostileModel(_weights(_one("data_offsets", [128, 0]))),
    "weights: places beyond the end": HostileModel(_weights(_one("data_offsets", [10**12, 10**12 + 128]))),
    "weights: a missing tensor": HostileModel(_weights(lambda header: header.pop("model.norm.weight") and None)),
    "weights: none": HostileModel(lambda folder: (folder / "model.safetensors").unlink()),
    "weights: a pickle": HostileModel(
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    ),
    "weights: an index that leads elsewhere": HostileModel(
        lambda folder: (
            (
                (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors"),
                (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../../../dev/zero"}}'),
            )
        )
    ),
}


# Configurations.


def _json(name: str, change: Callable[[Any], Any]) -> Make:
    def make(folder: Path) -> None:
        value = json.loads((folder / name).read_bytes())
        changed = change(value)
        (folder / name).write_text(json.dumps(value if changed is None else changed))

    return make


def _set(**values: Any) -> Make:
    return _json("config.json", lambda config: config.update(values))


def change_config(folder: Path, **values: Any) -> None:
    _set(**values)(folder)


def change_tokenizer(folder: Path, change: Callable[[Any], Any]) -> None:
    _json("tokenizer.json", change)(folder)


_SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "max_position_embeddings",
)  # fmt: skip
_CONFIGS = {
    f"config: {name} {value!r}": HostileModel(
        _set(**{name: value}), "either" if name == "max_position_embeddings" and value == 10**9 else "load"
    )
    for name in _SIZES
    for value in (10**9, -1, "many")
} | {
    "config: num_labels": HostileModel(_set(num_labels=10**9)),
    "config: ten million layers": HostileModel(_set(num_hidden_layers=10**7)),
    "config: experts": HostileModel(_set(num_local_experts=10**9, num_experts=10**9)),
    "config: a number of a thousand digits": HostileModel(_set(hidden_size=10**999)),
    "config: nested deeply": HostileModel(
        lambda folder: (folder / "config.json").write_text('{"a":' * 90_000 + "1" + "}" * 90_000)
    ),
    "config: a list": HostileModel(_json("config.json", lambda config: [config])),
    "config: no JSON": HostileModel(lambda folder: (folder / "config.json").write_text("{")),
    "config: no text": HostileModel(lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe")),
    "config: no model_type": HostileModel(_json("config.json", lambda config: config.pop("model_type") and None)),
    "config: an unknown model_type": HostileModel(_set(model_type="nonesuch")),
    "config: model_type of a picture model": HostileModel(_set(model_type="vit")),
    "config: code of its own": HostileModel(
        _set(model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"})
    ),
    "config: an unknown quantisation": HostileModel(_set(quantization_config={"quant_method": "nonesuch"}), "either"),
    "config: a quantisation that is a list": HostileModel(_set(quantization_config=[1])),
    "config: rope of no kind": HostileModel(_set(rope_parameters={"rope_type": "nonesuch", "rope_theta": 1})),
    "config: rope that is a number": HostileModel(_set(rope_parameters=7)),
    "config: a text_config that is a number": HostileModel(_set(text_config=7)),
    "config: an activation of no kind": HostileModel(_set(hidden_act="nonesuch")),
    "config: layer_types of no kind": HostileModel(_set(layer_types=["nonesuch", "nonesuch"])),
}


# Tokenizers.


def _split(pattern: str) -> Make:
    pre = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return _json("tokenizer.json", lambda value: value.update(pre_tokenizer=pre))


def _normalizer(content: str, times: int) -> Make:
    double = {"type": "Replace", "pattern": {"String": "a"}, "content": content}
    many = {"type": "Sequence", "normalizers": [double] * times}
    return _json("tokenizer.json", lambda value: value.update(normalizer=many))


_TOKENIZERS = {
    "tokenizer: a pattern that forks": HostileModel(_split(r"(a+)+$|(\s*)*\d$"), "either"),
    "tokenizer: a pattern that looks back": HostileModel(_split(r"(?:(?:a|aa)+)+b"), "either"),
    "tokenizer: no pattern": HostileModel(_split("(")),
    "tokenizer: grows what it reads": HostileModel(_normalizer("aaaaaaaaaa", 12), "either"),
    "tokenizer: no JSON": HostileModel(lambda folder: (folder / "tokenizer.json").write_text("{")),
    "tokenizer: a list": HostileModel(lambda folder: (folder / "tokenizer.json").write_text("[]")),
    "tokenizer: no model": HostileModel(_json("tokenizer.json", lambda value: value.pop("model") and None)),
    "tokenizer: a vocabulary of no numbers": HostileModel(
        _json("tokenizer.json", lambda value: value["model"].update(vocab={"a": "b"}))
    ),
    "tokenizer: a token beyond the embedding": HostileModel(
        _json("tokenizer.json", lambda value: value["model"]["vocab"].update(beyond=2**31))
    ),
    "tokenizer: merges of nothing": HostileModel(
        _json("tokenizer.json", lambda value: value["model"].update(merges=["x y"] * 10))
    ),
    "tokenizer: a vocabulary of three million": HostileModel(
        _json("tokenizer.json", lambda value: value["model"]["vocab"].update({f"t{n}": n for n in range(3_000_000)}))
    ),
    "tokenizer_config: a list": HostileModel(lambda folder: (folder / "tokenizer_config.json").write_text("[]")),
    "tokenizer_config: tokens of no numbers": HostileModel(
        _json("tokenizer_config.json", lambda value: value.update(added_tokens_decoder={"x": 7}))
    ),
    "tokenizer_config: tokens that are a list": HostileModel(
        _json("tokenizer_config.json", lambda value: value.update(added_tokens_decoder=[1]))
    ),
    "tokenizer_config: a class of no kind": HostileModel(
        _json("tokenizer_config.json", lambda value: value.update(tokenizer_class="Nonesuch")), "either"
    ),
    "tokenizer_config: nested deeply": HostileModel(
        lambda folder: (folder / "tokenizer_config.json").write_text("[" * 90_000 + "]" * 90_000)
    ),
}
HOSTILE: dict[str, HostileModel] = _TEMPLATES | _CHATS | _ODD_TEMPLATES | _ODD_FILES | _WEIGHTS | _CONFIGS | _TOKENIZERS
