"""Chat templates in the shapes of public models, written by hand, and small tokenizers of several kinds for them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from arena.rows.tokenizer import HeroTokenizer

_TEXTS = [
    "the sum of two and two is four user assistant system model be brief 1+1? " * 20,
    "say yes or no, Paris, blue, seven, cat, Question: Answer: User: Assistant: : yes\n\nno\n7 " * 20,
]


@dataclass(frozen=True)
class Shape:
    template: str
    special: tuple[str, ...]
    eos: str | None
    trained: str
    """What a row of one turn, whose answer is `yes`, trains on."""


def _loop(body: str, *, start: str = "", asked: str = "") -> str:
    end = f"{{% if add_generation_prompt %}}{{{{ {asked!r} }}}}{{% endif %}}" if asked else ""
    return f"{start}{{% for m in messages %}}{body}{{% endfor %}}{end}"


def _by_role(user: str, answer: str, system: str = "{{ raise_exception('no system message') }}") -> str:
    first = f"{{% if m['role'] == 'user' %}}{user}{{% elif m['role'] == 'assistant' %}}{answer}"
    return f"{first}{{% else %}}{system}{{% endif %}}"


_C, _BOS, _EOS = "{{ m['content'] }}", "{{ bos_token }}", "{{ eos_token }}"
_INST = ("<s>", "</s>", "[INST]", "[/INST]")
_LLAMA_2 = """{% if messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{%
set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% else %}{%
set turns = messages %}{% set system = '' %}{% endif %}{% for m in turns %}{% if m['role'] == 'user' %}{{
bos_token + '[INST] ' + (system if loop.first else '') + m['content'].strip() + ' [/INST]' }}{% else %}{{
' ' + m['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"""
_CHATML = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
_ASK_CHATML = "<|im_start|>assistant\n"

SHAPES: dict[str, Shape] = {
    "llama 2": Shape(_LLAMA_2, ("<s>", "</s>"), "</s>", " yes </s>"),
    "mistral 0.1": Shape(
        _loop(_by_role(f"[INST] {_C} [/INST]", f"{_C}{_EOS} "), start=_BOS), ("<s>", "</s>"), "</s>", "yes</s>"
    ),
    "mistral 0.2": Shape(
        _loop(_by_role(f"[INST] {_C} [/INST]", f" {_C}{_EOS}"), start=_BOS), ("<s>", "</s>"), "</s>", " yes</s>"
    ),
    "mistral 0.3": Shape(
        _loop(_by_role(f"[INST] {_C}[/INST]", f" {_C}{_EOS}"), start=_BOS), _INST, "</s>", " yes</s>"
    ),
    "tekken": Shape(_loop(_by_role(f"[INST]{_C}[/INST]", f"{_C}{_EOS}"), start=_BOS), _INST, "</s>", "yes</s>"),
    "gemma": Shape(
        _loop(
            "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
            "{{ m['content'] | trim }}<end_of_turn>\n",
            start=_BOS,
            asked="<start_of_turn>model\n",
        ),
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        "yes<end_of_turn>",
    ),
    "phi 3": Shape(
        _loop("<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n", asked="<|assistant|>\n")
        + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}",
        ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        "<|endoftext|>",
        "yes<|end|>",
    ),
    "phi 4": Shape(
        _loop(
            "<|im_start|>{{ m['role'] }}<|im_sep|>{{ m['content'] }}<|im_end|>",
            asked="<|im_start|>assistant<|im_sep|>",
        ),
        ("<|im_start|>", "<|im_sep|>", "<|im_end|>"),
        "<|im_end|>",
        "yes<|im_end|>",
    ),
    "glm 4": Shape(
        _loop("<|{{ m['role'] }}|>\n{{ m['content'] }}", start="[gMASK]<sop>", asked="<|assistant|>\n"),
        ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>"),
        "<|endoftext|>",
        "yes<|user|>",
    ),
    "deepseek 2": Shape(
        _loop(_by_role(f"User: {_C}\n\n", f"Assistant: {_C}{_EOS}", f"{_C}\n\n"), start=_BOS, asked="Assistant:"),
        ("<bos>", "<eos>"),
        "<eos>",
        " yes<eos>",
    ),
    "deepseek 3": Shape(
        _loop(_by_role(f"<User>{_C}", f"<Assistant>{_C}{_EOS}", _C), start=_BOS, asked="<Assistant>"),
        ("<bos>", "<eos>", "<User>", "<Assistant>"),
        "<eos>",
        "yes<eos>",
    ),
    "gpt-oss": Shape(
        _loop(
            _by_role(
                f"<|start|>user<|message|>{_C}<|end|>",
                "{% if m.thinking and loop.last %}<|start|>assistant<|channel|>analysis<|message|>"
                "{{ m.thinking }}<|end|>{% endif %}"
                f"<|start|>assistant<|channel|>final<|message|>{_C}{{{{ '<|return|>' if loop.last else '<|end|>' }}}}",
                f"<|start|>system<|message|>{_C}<|end|>",
            ),
            asked="<|start|>assistant",
        ),
        ("<|start|>", "<|message|>", "<|end|>", "<|channel|>", "<|return|>"),
        "<|return|>",
        "<|channel|>final<|message|>yes<|return|>",
    ),
    "chatml": Shape(
        _loop(_CHATML, asked=_ASK_CHATML),
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
        "yes<|im_end|>",
    ),
    "chatml in plain text": Shape(
        _loop(_CHATML, asked=_ASK_CHATML), ("<|endoftext|>",), "<|endoftext|>", "yes<|im_end|>"
    ),
    "chatml in plain text, no end of sequence": Shape(_loop(_CHATML, asked=_ASK_CHATML), (), None, "yes<|im_end|>"),
    "command-r": Shape(
        _loop(
            "<|S|><|{{ m['role'] }}|>{{ m['content'] | trim }}<|E|>", start=_BOS, asked="<|S|><|assistant|>"
        ),
        ("<bos>", "<eos>", "<|S|>", "<|E|>", "<|user|>", "<|assistant|>", "<|system|>"),
        "<|E|>",
        "yes<|E|>",
    ),
    "granite": Shape(
        _loop("<|r|>{{ m['role'] }}<|/r|>{{ m['content'] }}<|endoftext|>\n", asked="<|r|>assistant<|/r|>"),
        ("<|r|>", "<|/r|>", "<|endoftext|>"),
        "<|endoftext|>",
        "yes<|endoftext|>",
    ),
    "smollm": Shape(
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe brief<|im_end|>\n{% endif %}"
        + _loop(_CHATML, asked=_ASK_CHATML),
        ("<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
        "yes<|im_end|>",
    ),
    "llama 3": Shape(
        _loop(
            "<|h|>{{ m['role'] }}<|/h|>\n\n{{ m['content'] | trim }}<|eot|>",
            start=_BOS,
            asked="<|h|>assistant<|/h|>\n\n",
        ),
        ("<bos>", "<eos>", "<|h|>", "<|/h|>", "<|eot|>"),
        "<eos>",
        "yes<|eot|>",
    ),
    "zephyr": Shape(
        _loop("<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n", asked="<|assistant|>\n"), ("</s>",), "</s>", "yes</s>"
    ),
    "vicuna": Shape(
        _loop(_by_role(f"USER: {_C} ", f"ASSISTANT: {_C}{_EOS}", f"{_C} "), asked="ASSISTANT: "),
        ("</s>",),
        "</s>",
        "yes</s>",
    ),
    "a prompt that ends in a blank": Shape(
        _loop(_by_role(f"Question: {_C}\n", f"Answer: {_C}{_EOS}\n", f"{_C}\n"), asked="Answer: "),
        ("</s>",),
        "</s>",
        "yes</s>",
    ),
    "text before the end": Shape(
        _loop(_by_role(f"### {_C}\n", f"{_C}\n### End</s>\n", f"{_C}\n")), ("</s>",), "</s>", "yes\n### End</s>"
    ),
    "a template that leaves turns open": Shape(
        _loop("{{ m['role'] }}: {{ m['content'] }}\n", asked="assistant: "), ("</s>",), "</s>", "yes</s>"
    ),
    "nothing ends a turn": Shape(_loop("{{ m['role'] }}: {{ m['content'] }}\n", asked="assistant: "), (), None, "yes"),
}  # fmt: skip

KINDS = ("bytes", "first", "always", "legacy", "words")


@functools.cache
def tokenizer(shape: str, kind: str = "bytes") -> HeroTokenizer:
    """Of one KIND: byte-level; sentencepiece-like, with a blank put before the first word, before each part, or by the
    normalizer; or words and their pieces."""
    wanted = SHAPES[shape]
    backend = Tokenizer.from_str(_trained(kind))
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in wanted.special])
    named = {
        "bos_token": next((token for token in ("<s>", "<bos>") if token in wanted.special), None),
        "eos_token": wanted.eos,
    }
    return HeroTokenizer(
        backend=backend,
        template=wanted.template,
        named_tokens={name: token for name, token in named.items() if token is not None},
    )


@functools.cache
def _trained(kind: str) -> str:
    """Serialised: what is added to a backend stays in it."""
    alphabet = [*map(chr, range(33, 127)), "▁", "\n"]
    options = {"vocab_size": 420, "show_progress": False, "initial_alphabet": alphabet, "special_tokens": ["<unk>"]}
    if kind == "words":
        backend = Tokenizer(models.WordPiece(unk_token="<unk>"))
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=False)
        backend.train_from_iterator(_TEXTS, trainers.WordPieceTrainer(**options))
        return backend.to_str()
    backend = Tokenizer(models.BPE(unk_token=None if kind == "bytes" else "<unk>"))
    if kind == "bytes":
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    elif kind == "legacy":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind, split=False)
        backend.decoder = decoders.Metaspace(prepend_scheme=kind)
    texts = [text.replace(" ", "▁") for text in _TEXTS] if kind == "legacy" else _TEXTS
    backend.train_from_iterator(texts if kind == "bytes" else [w for t in texts for w in re.split(r"(?<=[?:\n ▁])", t)],
                                trainers.BpeTrainer(**options))  # fmt: skip
    return backend.to_str()
