"""Where turns begin and end, on shapes of templates that people train with, by a check that shares no code with it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from arena.rows import chat_template, masking
from arena.rows.masking import ChatMask, MaskingError
from arena.rows.model import Message
from arena.rows.tokenizer import HeroTokenizer
from arena.rows.turn_check import NO_BEGIN, NO_END

LOOP = "{% for m in messages %}"
SHAPES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "llama-2": (
        "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set told = '<<SYS>>\\n' + "
        "messages[0].content + '\\n<</SYS>>\\n\\n' %}{% else %}{% set rest = messages %}{% set told = '' %}{% endif %}"
        "{% for m in rest %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + (told if loop.first else '') }}"
        "{{ m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}"
        "{% endfor %}",
        "</s>", ("<s>", "</s>"),
    ),
    "mistral-v0.1": (
        "{{ bos_token }}" + LOOP + "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
        "{% elif m.role == 'assistant' %}{{ m.content + eos_token + ' ' }}{% else %}"
        "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
        "</s>", ("<s>", "</s>"),
    ),
    "mistral-v0.3": (
        "{{ bos_token }}" + LOOP + "{% if m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}{% else %}"
        "{{ '[INST] ' + m.content + '[/INST]' }}{% endif %}{% endfor %}",
        "</s>", ("<s>", "</s>", "[INST]", "[/INST]"),
    ),
    "tekken": (
        "{{ bos_token }}" + LOOP + "{% if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}{% elif m.role == "
        "'system' %}{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}{% else %}{{ m.content + eos_token }}"
        "{% endif %}{% endfor %}",
        "</s>", ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    ),
    "glm-4": (
        "[gMASK]<sop>" + LOOP + "<|{{ m.role }}|>\n{{ m.content }}{% endfor %}{% if add_generation_prompt %}"
        "<|assistant|>\n{% endif %}",
        "<|endoftext|>", ("[gMASK]", "<sop>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>"),
    ),
    "deepseek-v2": (
        "{{ bos_token }}" + LOOP + "{% if m.role == 'user' %}{{ 'User: ' + m.content + '\n\n' }}{% elif m.role == "
        "'assistant' %}{{ 'Assistant: ' + m.content + eos_token }}{% else %}{{ m.content + '\n\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
        "<|end_of_sentence|>", ("<s>", "<|end_of_sentence|>"),
    ),
    "vicuna": (
        LOOP + "{% if m.role == 'user' %}{{ 'USER: ' + m.content + ' ' }}{% elif m.role == 'assistant' %}"
        "{{ 'ASSISTANT: ' + m.content + eos_token }}{% else %}{{ m.content + ' ' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'ASSISTANT: ' }}{% endif %}",
        "</s>", ("</s>",),
    ),
    "granite": (
        LOOP + "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}",
        "<|end_of_text|>", ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    ),
    "chatml": (
        LOOP + "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|im_end|>", ("<|im_start|>", "<|im_end|>"),
    ),
    "chatml-without-its-marks": (
        LOOP + "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|endoftext|>", ("<|endoftext|>",),
    ),
    "zephyr": (
        LOOP + "{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "</s>", ("</s>",),
    ),
    "end-that-is-not-eos": (
        LOOP + "{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
        "<|endoftext|>", ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"),
    ),
}  # fmt: skip
ANSWERS = ("yes", " yes", "\nyes", "\n\nyes", "7 is it", "Yes, yes")


def tokenizer_of(kind: str, template: str, eos: str, special: tuple[str, ...]) -> HeroTokenizer:
    backend = Tokenizer(models.BPE(unk_token=None))
    if kind == "byte-level":
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        alphabet = [chr(code) for code in range(32, 127)] + ["\n", "▁"]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=list(special), show_progress=False, initial_alphabet=alphabet
    )
    texts = ["yes yes, USER: ASSISTANT: User: assistant\n\nyes Assistant: 7 is it [INST] ask [/INST] yes\n "] * 20
    backend.train_from_iterator(texts, trainer)
    named = {"eos_token": eos} | ({"bos_token": "<s>"} if "<s>" in special else {})
    return HeroTokenizer(backend=backend, template=template, named_tokens=named)


def conversations(answers: tuple[str, ...] = ANSWERS) -> list[tuple[Message, ...]]:
    return [
        tuple(said for turn in range(turns) for said in (Message("user", f"ask {turn}"), Message("assistant", answer)))
        for answer, turns in product(answers, (1, 3))
    ]


def faults(mask: ChatMask, answers: tuple[str, ...] = ANSWERS) -> list[str]:
    """What of the invariant does not hold: behind a prompt as asked all is trained, up to where generation stops."""
    found = []
    for chat in conversations(answers):
        row = mask.tokenize(chat)
        for index, said in enumerate(chat):
            asked = mask.prompt_ids(chat[:index]) if said.role == "assistant" else []
            if not asked or row.input_ids[: len(asked)] != asked:
                continue
            behind = [*row.trained[len(asked) :], False]
            trained = row.input_ids[len(asked) : len(asked) + behind.index(False)]
            stops = mask.stop_ids.intersection(trained[-1:]) or (
                mask.end_text and mask.tokenizer.decode(trained).rstrip().endswith(mask.end_text)
            )
            if not stops:
                found.append(f"{chat[: index + 1]}: {mask.tokenizer.decode(trained)!r}")
    return found


@pytest.mark.parametrize("kind", ["byte-level", "metaspace"])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_behind_a_prompt_as_asked_is_trained_to_where_generation_stops(shape: str, kind: str) -> None:
    mask = ChatMask(tokenizer_of(kind, *SHAPES[shape]))
    assert not faults(mask)
    assert not mask.turns.warnings


@pytest.mark.parametrize(
    ("shape", "guard", "without"),
    [
        ("mistral-v0.3", "_find_generation_prompt", lambda mask: ""),
        ("vicuna", "_parted", lambda mask, text, spans, encoding: (encoding.ids, encoding.offsets)),
        ("chatml-without-its-marks", "_find_closing", lambda mask: None),
        ("glm-4", "_find_closing", lambda mask: None),
    ],
)
def test_twin_without_a_guard_it_is_not(
    monkeypatch: pytest.MonkeyPatch, shape: str, guard: str, without: object
) -> None:
    monkeypatch.setattr(ChatMask, guard, without)
    monkeypatch.setattr(ChatMask, "_begin", lambda self, chat, turn, *place: self._behind_generation_prompt(*place))
    mask = ChatMask(tokenizer_of("byte-level", *SHAPES[shape]))
    assert faults(mask) or any(
        row.input_ids[: len(asked)] != asked
        for chat in conversations()
        for row, asked in [(mask.tokenize(chat), mask.prompt_ids(chat[:1]))]
    )


def test_the_exact_way_is_taken_where_the_quick_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChatMask, "_find_generation_prompt", lambda mask: "")
    mask = ChatMask(tokenizer_of("byte-level", *SHAPES["mistral-v0.3"]))
    assert mask._asks_exactly
    assert not faults(mask)


def test_a_template_whose_turns_never_end_is_told() -> None:
    """Nothing stands between turns. Behind the last one an end of sequence is put, if there is such a token."""
    template = LOOP + "{{ '### ' + m.role + ':\n' + m.content + '\n\n' }}{% endfor %}"
    endless = ChatMask(tokenizer_of("byte-level", template, "", ()))
    ended = ChatMask(tokenizer_of("byte-level", template, "</s>", ("</s>",)))
    assert endless.turns.warnings == ended.turns.warnings == (NO_END,)
    pair = (Message("user", "a"), Message("assistant", "b"))
    assert [mask.tokenize(pair).ends for mask in (endless, ended)] == [False, True]
    assert not ended.tokenize(pair * 2).ends


def test_a_template_that_hides_where_a_turn_begins_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChatMask, "_find_generation_prompt", lambda mask: "")
    monkeypatch.setattr(ChatMask, "_begin", lambda self, chat, turn, *place: place[2] + 1)
    assert NO_BEGIN in ChatMask(tokenizer_of("byte-level", *SHAPES["mistral-v0.3"])).turns.warnings


TEMPLATES = sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))
REFUSED = ("idefics3", "llava_next", "smolvlm")


@pytest.mark.slow
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_template_that_trl_ships(path: Path) -> None:
    text = path.read_text()
    special = {token for token in MARKS if token in text}
    mask = ChatMask(tokenizer_of("byte-level", text, "<|eos|>", ("<s>", "<|eos|>", *sorted(special))))
    if not path.stem.startswith(REFUSED):
        assert not faults(mask, ANSWERS[:2])
        assert not mask.turns.warnings


MARKS = (
    "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>",
    "<end_of_turn>", "<|turn>", "<turn|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|return|>",
    "<|start|>", "<|channel|>", "<|message|>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>",
    "<|USER_TOKEN|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<｜end▁of▁sentence｜>", "<｜User｜>",
    "<｜Assistant｜>", "<|eot|>", "<|endoftext|>",
)  # fmt: skip


def test_a_mark_of_the_check_itself_is_nobodys_text() -> None:
    assert masking._MARK not in "".join(template for template, _, _ in SHAPES.values())
    assert (
        chat_template.render("{{ messages[0].content }}", [{"content": masking._MARK}], variables={}) == masking._MARK
    )


def test_a_conversation_that_is_refused_is_refused_in_words() -> None:
    mask = ChatMask(tokenizer_of("byte-level", *SHAPES["mistral-v0.1"]))
    with pytest.raises(MaskingError, match="Only user and assistant"):
        mask.tokenize((Message("system", "a"), Message("user", "b"), Message("assistant", "c")))
