"""The mask against methods that share no code with it, for every chat template that TRL ships.

1. Prefixes: what `messages[:k]` with a generation prompt lacks of `messages[:k + 1]` is what the hero writes, wherever
   the template renders the one as the beginning of the other.
2. The `{% generation %}` marks of TRL's training templates.
3. Token lists written by hand.

TRL's marks differ by design, which is taken off them here. They begin with as much of the header as their author liked
(`\\n` in Qwen2.5, `<|start|>assistant` in gpt-oss), ours behind the generation prompt, which the hero is given. They go
on over the blanks behind the end-of-turn token (in Phi-3 also the end of sequence), at which generation has stopped.
"""

import functools
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import trl
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from arena import embedded
from arena.hero.model import hero_tokenizer
from arena.rows import masking
from arena.rows.masking import ChatMask, MaskingError
from arena.rows.parse import Message

pytestmark = pytest.mark.slow

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
NAMES = sorted(path.stem for path in TEMPLATES.glob("*.jinja"))
MARKER = re.compile(r"<[|｜][^<>{}'\n]*?[|｜]>|<(?:start|end)_of_turn>|<end_of_utterance>|<\|?turn\|?>|<channel\|>")
# What each family stops at, where its name is not among the embedded tokenizer's.
END_OF_SEQUENCE = {
    "cohere": "<|END_OF_TURN_TOKEN|>",
    "deepseek": "<｜end▁of▁sentence｜>",
    "gemma": "<end_of_turn>",
    "glm4moe": "<|endoftext|>",
    "gptoss": "<|return|>",
    "llama3": "<|eot_id|>",
    "phi3": "<|endoftext|>",
}
REFUSED = {
    # Templates of vision models that read a list of parts where a row has a text.
    "idefics3": "leaves this answer out",
    "smolvlm": "leaves this answer out",
    "llava_next": "'str object' has no attribute 'text'",
}
# Headers of turns that the generation prompt does not lead to: one asks for a thought and the turn has none, or the
# other way round. The hero is never asked to write them.
UNASKED_HEADERS = {"deepseek": "<｜Assistant｜>", "nemotron": "<think></think>", "qwen3_5_nothink": "<think>\n"}
MARKED = [name for name in NAMES if name.endswith("_training") and not name.startswith(tuple(REFUSED))]
EXACT = ["gemma", "llama3", "phi3", "qwen2_5", "qwen3"]

SYSTEM = Message("system", "Be brief.")
THOUGHT = "<think>\nOne and one.\n</think>\n\nTwo."


def turns(*texts: str) -> tuple[Message, ...]:
    return tuple(Message("user" if index % 2 == 0 else "assistant", text) for index, text in enumerate(texts))


CONVERSATIONS = {
    "one turn": turns("What is 1+1?", "It is two."),
    "many turns": turns("1+1", "2", "2+2", "4", "3+3", "6"),
    "system": (SYSTEM, *turns("1+1", "2", "2+2", "4")),
    "question last": turns("1+1", "2", "2+2"),
    "thought last": turns("1+1", THOUGHT),
    "thoughts": turns("1+1", THOUGHT, "2+2", THOUGHT),
    "thought that begins as the mark's letters do": turns("1", "<think>\nA\n</think>\n\nA, Y", "2", "AY"),
    "empty question": turns("", "a"),
    "one letter": turns("a", "a", "a", "a"),
    "blanks inside": turns("1", "a \n\n b\tc", "2", "d"),
    "blanks at the end": turns("1", "two \n\n", "2", "four\n"),
    "repeats the prompt": turns("Say: It is two.", "Say: It is two.", "It is two.", "It is two."),
    "says the header": turns("1", "assistant\nuser\nmodel\n", "user", "assistant"),
    "looks like markers": turns("<|im_begin|>", "<|im_ending|> <end_of_time> </s> [INST] <|x|>", "<", "<|"),
    "braces": turns("{{ x }}", "{% endfor %}{{ messages }}"),
    "unicode": turns("née", "naïve e\u0301 ⓪① 👩‍👩‍👧 \u202eabc\u200b", "日本", "語\ufe0f🏴󠁧󠁢"),
    "private area": turns("\ue000", "\ue000\ue001\ue002", "1", "\uf8ff"),
}


def tokenizer_of(name: str) -> PreTrainedTokenizerBase:
    """The embedded tokenizer with a template and the markers it writes, each one token."""
    tokenizer = AutoTokenizer.from_pretrained(embedded.SOURCE)
    template = (TEMPLATES / f"{name}.jinja").read_text()
    markers = sorted(set(MARKER.findall(template)))
    # As most models do it: special in the vocabulary, but not in the tokenizer's list of special tokens.
    tokenizer.add_tokens([AddedToken(marker, special=True, normalized=False) for marker in [*markers, "<|bos|>"]])
    tokenizer.bos_token = "<|bos|>"
    for family, token in END_OF_SEQUENCE.items():
        if name.startswith(family) and token in tokenizer.get_vocab():
            tokenizer.eos_token = token
    tokenizer.chat_template = template
    return tokenizer


@functools.cache
def loaded(name: str) -> PreTrainedTokenizerBase:
    return tokenizer_of(name)


@functools.cache
def mask_of(name: str) -> ChatMask:
    return ChatMask(hero_tokenizer(loaded(name)))


def as_chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def in_fields(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[dict[str, str]]:
    """Thoughts stand in the field that the template has for them, if it has one."""
    chat = as_chat(messages)
    field = field_of(str(tokenizer.chat_template))
    for said in chat if field else ():
        before, tag, answer = said["content"].partition("</think>")
        opened = before.lstrip().removeprefix("<think>")
        is_whole = tag and opened != before.lstrip() and "<think>" not in opened
        if said["role"] == "assistant" and is_whole and opened.strip() and answer.strip():
            said |= {"content": answer.lstrip("\n"), str(field): opened.strip("\n")}
    return chat


@functools.cache
def field_of(template: str) -> str | None:
    return next((mask_of(name).thought_field for name in NAMES if loaded(name).chat_template == template), None)


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, asked: bool = False) -> str | None:
    """None: the template refuses."""
    try:
        return str(
            tokenizer.apply_chat_template(in_fields(tokenizer, messages), tokenize=False, add_generation_prompt=asked)
        )
    except Exception:
        return None


def token_starts(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[int]:
    """Where each token begins, in bytes: a byte-level token has one character a byte, an added one stands as it is."""
    added = set(tokenizer.added_tokens_decoder)
    starts = [0]
    for token in ids:
        text = str(tokenizer.convert_ids_to_tokens(token))
        starts.append(starts[-1] + len(text.encode() if token in added else text))
    return starts[:-1]


def trained_between(tokenizer: PreTrainedTokenizerBase, text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """For each token of `text` whether it begins inside one of the spans of characters."""
    ids = parted_ids(tokenizer, text, [start for start, _ in spans])
    in_bytes = [tuple(len(as_tokenized(tokenizer, text[:place]).encode()) for place in span) for span in spans]
    return [any(first <= start < last for first, last in in_bytes) for start in token_starts(tokenizer, ids)]


def parted_ids(tokenizer: PreTrainedTokenizerBase, text: str, starts: Sequence[int]) -> list[int]:
    """The tokens of `text`, none of which holds characters on both sides of one of `starts`."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    edges = token_starts(tokenizer, ids)
    in_bytes = {start: len(as_tokenized(tokenizer, text[:start]).encode()) for start in starts}
    cuts = [0, *(start for start in starts if in_bytes[start] not in edges), len(text)]
    pieces = [tokenizer(text[begin:end], add_special_tokens=False)["input_ids"] for begin, end in pairwise(cuts)]
    return [token for piece in pieces for token in piece] if len(pieces) > 1 else ids


def as_tokenized(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    normalizer = tokenizer.backend_tokenizer.normalizer
    return str(normalizer.normalize_str(text)) if normalizer else text


def spans_by_prefixes(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], end_of_turn: str
) -> list[tuple[int, int]]:
    """Behind the prompt that the hero is given, up to the end of turn; no message may hold `end_of_turn` itself."""
    whole = render(tokenizer, messages)
    assert whole is not None
    spans = []
    for index, message in enumerate(messages):
        if message.role == "assistant":
            prompt = render(tokenizer, messages[:index], asked=True)
            assert prompt is not None
            assert whole.startswith(prompt)
            spans.append((len(prompt), whole.index(end_of_turn, len(prompt)) + len(end_of_turn)))
    return spans


END_OF_TURN = {
    "gemma": "<end_of_turn>",
    "llama3": "<|eot_id|>",
    "phi3": "<|end|>",
    "qwen2_5": "<|im_end|>",
    "qwen3": "<|im_end|>",
}


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("name", EXACT)
def test_by_prefixes(name: str, messages: tuple[Message, ...]) -> None:
    mask = mask_of(name)
    whole = render(loaded(name), messages)
    if whole is None:
        assert (name, messages[0].role) == ("gemma", "system")
        with pytest.raises(MaskingError, match="System role not supported"):
            mask.tokenize(messages)
        return
    tokenized = mask.tokenize(messages)
    assert tokenized.input_ids == loaded(name)(whole, add_special_tokens=False)["input_ids"]
    spans = spans_by_prefixes(loaded(name), messages, END_OF_TURN[name])
    assert tokenized.trained == trained_between(loaded(name), whole, spans)


FRAGMENTS = st.sampled_from(
    [
        *"aAxYZ01 \n\t<|>",
        "é",
        "e\u0301",
        "⓪",
        "👩‍👩‍👧",
        "\ue000",
        "\ue001",
        "im_end",
        "<|im_",
        "<think>",
        "</think>",
        "\nassistant\n",
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)


@settings(derandomize=True, deadline=None)
@given(data=st.data(), pairs=st.lists(st.tuples(TEXTS, TEXTS.filter(str.strip)), min_size=1, max_size=4))
@pytest.mark.parametrize("name", EXACT)
def test_random_conversations_by_prefixes(name: str, data: st.DataObject, pairs: list[tuple[str, str]]) -> None:
    mask = mask_of(name)
    messages = turns(*(text for pair in pairs for text in pair))
    if name != "gemma" and data.draw(st.booleans()):
        messages = (SYSTEM, *messages)
    whole = render(loaded(name), messages)
    assert whole is not None
    spans = spans_by_prefixes(loaded(name), messages, END_OF_TURN[name])
    empty = {END_OF_TURN[name], "<think>\n\n</think>\n\n" + END_OF_TURN[name]}
    if empty & {whole[start:end] for start, end in spans}:  # Qwen3 strips thoughts, and these answers were nothing else
        with pytest.raises(MaskingError, match="leaves this answer out"):
            mask.tokenize(messages)
    else:
        assert mask.tokenize(messages).trained == trained_between(loaded(name), whole, spans)


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("name", MARKED)
def test_by_the_marks_of_trls_training_templates(name: str, messages: tuple[Message, ...]) -> None:
    tokenizer = loaded(name)
    if (whole := render(tokenizer, messages)) is None:
        assert messages[0].role == "system"
        return
    (text,), (marks,) = render_jinja_template(
        [in_fields(tokenizer, messages)],
        chat_template=tokenizer.chat_template,
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    assert text == whole
    spans = [without_header_and_blanks(tokenizer, name, whole, mark, messages) for mark in joined(marks)]
    assert mask_of(name).tokenize(messages).trained == trained_between(tokenizer, whole, spans)


def joined(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Phi-3's end of sequence has a mark of its own right behind the last answer's."""
    found: list[tuple[int, int]] = []
    for start, end in marks:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def without_header_and_blanks(
    tokenizer: PreTrainedTokenizerBase, name: str, whole: str, mark: tuple[int, int], messages: Sequence[Message]
) -> tuple[int, int]:
    start, end = mark
    prompts = [render(tokenizer, messages[:index], asked=True) or "" for index in range(1, len(messages))]
    given = [len(prompt) for prompt in prompts if whole.startswith(prompt) and start <= len(prompt) <= end]
    header = next((text for family, text in UNASKED_HEADERS.items() if name.startswith(family)), "")
    start = given[-1] if given else start + len(header) if whole.startswith(header, start) else start
    if name.startswith("nemotron") and whole.startswith("\n", start) and whole.endswith(header, 0, start):
        start += 1  # the template's own, behind a header without a thought
    written = whole[start:end].rstrip()
    if name.startswith("phi3"):
        written = written.removesuffix("<|endoftext|>").rstrip()
    return start, start + len(written)


def trained_tokens(name: str, messages: tuple[Message, ...]) -> list[str]:
    tokenized = mask_of(name).tokenize(messages)
    pairs = zip(tokenized.input_ids, tokenized.trained, strict=True)
    return [mask_of(name).tokenizer.decode([token]) for token, trained in pairs if trained]


@pytest.mark.parametrize(
    ("name", "messages", "expected"),
    [
        ("qwen2_5", turns("1+1", "2", "2+2", " 4"), ["2", "<|im_end|>", " ", "4", "<|im_end|>"]),
        ("gemma", turns("1+1", "2", "2+2", " 4"), ["2", "<end_of_turn>", "4", "<end_of_turn>"]),
        ("phi3", turns("1+1", "2", "2+2", " 4"), ["2", "<|end|>", " ", "4", "<|end|>"]),
        (
            "qwen3",
            turns("1+1", THOUGHT, "2+2", "4"),
            [*"Two.", "<|im_end|>", "<think>", "\n", "\n", "</think>", "\n", "\n", "4", "<|im_end|>"],
        ),
        (
            "qwen3",
            turns("1+1", "<think>\n1\n</think>\n\nTwo."),
            ["<think>", "\n", "1", "\n", "</think>", "\n", "\n", *"Two.", "<|im_end|>"],
        ),
        (
            "qwen3_5_think",
            turns("1+1", "<think>\n1\n</think>\n\n2"),
            ["1", "\n", "</think>", "\n", "\n", "2", "<|im_end|>"],
        ),
        ("deepseek_r1_distill", turns("1+1", "2"), ["2", "<｜end▁of▁sentence｜>"]),
        ("cohere2", turns("1", "2"), ["2", "<|END_RESPONSE|>", "<|END_OF_TURN_TOKEN|>"]),
        ("llama3", turns("1", "2", "3", "4"), ["2", "<|eot_id|>", "4", "<|eot_id|>"]),
        ("gptoss", turns("1", "2"), ["<|channel|>", "f", "in", "al", "<|message|>", "2", "<|return|>"]),
    ],
)  # fmt: skip
def test_by_hand(name: str, messages: tuple[Message, ...], expected: list[str]) -> None:
    assert trained_tokens(name, messages) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_template_works_or_is_refused_in_words(name: str) -> None:
    family = next((family for family in REFUSED if name.startswith(family)), None)
    if family:
        with pytest.raises(MaskingError, match=REFUSED[family]):
            ChatMask(hero_tokenizer(tokenizer_of(name))).tokenize(CONVERSATIONS["many turns"])
        return
    written = "".join(trained_tokens(name, CONVERSATIONS["many turns"]))
    answers = re.findall(r"[0-9]", written)
    assert answers == ["2", "4", "6"]
    assert written.count(">") >= 3 - name.startswith("glm4moe"), "an end of turn is missing"
    assert "+" not in written


@pytest.mark.parametrize(
    ("guard", "without", "name", "case"),
    [
        ("_behind_prompt", lambda mask, asked, text, earliest, end: len(text) - 11, "qwen3", "one turn"),
        ("_end_of_turn", lambda mask, text, end: (end, False), "qwen2_5", "one turn"),
    ],
)  # fmt: skip
def test_twin_without_a_guard_the_other_method_disagrees(
    monkeypatch: pytest.MonkeyPatch, guard: str, without: object, name: str, case: str
) -> None:
    monkeypatch.setattr(ChatMask, guard, without)
    with pytest.raises(AssertionError):
        test_by_prefixes(name, CONVERSATIONS[case])


def test_twin_with_marks_that_an_answer_may_hold_the_other_method_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_absent_from", lambda text: ("A", "Y"))
    with pytest.raises(AssertionError):
        test_by_prefixes("qwen3", turns("A, Y", "A, Y"))
