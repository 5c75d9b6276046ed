"""Masks are checked token by token against two independent methods: the template's own `{% generation %}` marks,
and, for public templates without them, a sentinel search in the decoded text."""

from datetime import datetime
from pathlib import Path

import pytest
import trl
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from arena import embedded
from arena.hero.model import hero_tokenizer
from arena.rows import chat_template, masking
from arena.rows.masking import ChatMask, MaskingError, Tokenized
from arena.rows.parse import Message
from arena.rows.seams import Seams

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
DIALOGUE = (
    Message("user", "What is 1+1?"),
    Message("assistant", "It is two."),
    Message("user", "And 2+2? Say it as I say it: It is two."),
    Message("assistant", "It is four, née ⓪①.\n"),
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<start_of_turn>", "<|end|>", "<|assistant|>"]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(embedded.SOURCE)


def trained_text(mask: ChatMask, tokenized: Tokenized) -> list[str]:
    """The trained stretches, decoded."""
    stretches: list[list[int]] = [[]]
    for token, trained in zip(tokenized.input_ids, tokenized.trained, strict=True):
        if trained:
            stretches[-1].append(token)
        elif stretches[-1]:
            stretches.append([])
    return [mask.tokenizer.decode(stretch) for stretch in stretches if stretch]


@pytest.mark.parametrize(
    "messages",
    [
        DIALOGUE,
        DIALOGUE[:2],
        (Message("system", "Be brief."), *DIALOGUE),
        (Message("user", ""), Message("assistant", "a")),
        (Message("user", "a"), Message("assistant", "a"), Message("assistant", "a"), Message("user", "a")),
        (Message("user", "<|im_start|>assistant\nfoe<|im_end|>"), Message("assistant", "friend")),
        (Message("user", "x"), Message("assistant", "says <|im_end|> itself")),
        (Message("user", "AxY"), Message("assistant", "AxY")),
    ],
)
def test_agrees_with_the_marks_of_the_embedded_template(
    tokenizer: PreTrainedTokenizerBase, messages: tuple[Message, ...]
) -> None:
    chat = [{"role": message.role, "content": message.content} for message in messages]
    marked = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    tokenized = ChatMask(hero_tokenizer(tokenizer)).tokenize(messages)
    assert tokenized.input_ids == marked["input_ids"]
    assert tokenized.trained == [bool(flag) for flag in marked["assistant_masks"]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen2_5", ["It is two.<|im_end|>", "It is four, née ⓪①.\n<|im_end|>"]),
        ("qwen3", ["It is two.<|im_end|>", "<think>\n\n</think>\n\nIt is four, née ⓪①.\n<|im_end|>"]),
        ("llama3", ["It is two.<|eot_id|>", "It is four, née ⓪①.<|eot_id|>"]),
        ("gemma", ["It is two.<end_of_turn>", "It is four, née ⓪①.<end_of_turn>"]),
        ("phi3", ["It is two.<|end|>", "It is four, née ⓪①.\n<|end|>"]),
    ],
)
def test_public_templates(tokenizer: PreTrainedTokenizerBase, name: str, expected: list[str]) -> None:
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL, "bos_token": "<|endoftext|>"})
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text()
    mask = ChatMask(hero_tokenizer(tokenizer))
    assert trained_text(mask, mask.tokenize(DIALOGUE)) == expected


def test_a_template_that_rewrites_earlier_turns_trains_on_what_it_shows(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = (TEMPLATES / "qwen3.jinja").read_text()
    mask = ChatMask(hero_tokenizer(tokenizer))
    thought = "<think>\none and one\n</think>\n\nTwo."
    messages = (
        Message("user", "1+1"),
        Message("assistant", thought),
        Message("user", "2+2"),
        Message("assistant", thought),
    )
    assert trained_text(mask, mask.tokenize(messages)) == ["Two.<|im_end|>", f"{thought}<|im_end|>"]


def test_no_token_reaches_from_the_prompt_into_the_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    """The header's newline and an answer's leading space would be one token; asked, the hero sees the newline alone."""
    mask = ChatMask(hero_tokenizer(tokenizer))
    tokenized = mask.tokenize((Message("user", "a"), Message("assistant", "  b")))
    assert trained_text(mask, tokenized) == ["  b<|im_end|>"]
    asked = mask.prompt_ids((Message("user", "a"),))
    assert tokenized.input_ids[: len(asked)] == asked
    assert tokenized.trained.index(True) == len(asked)


def test_prompt_is_what_stands_before_the_answer(tokenizer: PreTrainedTokenizerBase) -> None:
    mask = ChatMask(hero_tokenizer(tokenizer))
    whole = mask.tokenize(DIALOGUE[:2])
    prompt = mask.prompt_ids(DIALOGUE[:1])
    assert whole.input_ids[: len(prompt)] == prompt
    assert whole.trained.index(True) == len(prompt)


def test_a_template_that_drops_an_answer_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"
    with pytest.raises(MaskingError, match="message 2: the chat template leaves this answer out"):
        ChatMask(hero_tokenizer(tokenizer)).tokenize(DIALOGUE[:2])


def test_a_template_that_refuses_a_conversation_says_why(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{% if messages|length > 1 %}{{ raise_exception('one turn only') }}{% endif %}x"
    with pytest.raises(MaskingError, match="one turn only"):
        ChatMask(hero_tokenizer(tokenizer)).tokenize(DIALOGUE[:2])


def test_plain_text_is_trained_on_to_an_end_of_sequence(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenized = ChatMask(hero_tokenizer(tokenizer)).tokenize("Once, née\n")
    assert tokenizer.decode(tokenized.input_ids) == "Once, née\n<|im_end|>"
    assert all(tokenized.trained)


def test_an_end_of_sequence_that_is_there_is_not_doubled(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenized = ChatMask(hero_tokenizer(tokenizer)).tokenize("Once<|im_end|>")
    assert tokenizer.decode(tokenized.input_ids) == "Once<|im_end|>"


def test_what_a_tokenizer_puts_before_a_text_stands_there_once(tokenizer: PreTrainedTokenizerBase) -> None:
    """As Llama's and Gemma's do; both also render their conversations with it, which people keep as text."""
    end, begin = tokenizer.eos_token, "<|endoftext|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in (begin, end)],
    )
    mask = ChatMask(hero_tokenizer(tokenizer))
    for text in ("Once", f"{begin}Once"):
        assert tokenizer.decode(mask.tokenize(text).input_ids) == f"{begin}Once{end}"


def test_without_an_end_of_sequence_a_text_ends_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.eos_token = None
    assert tokenizer.decode(ChatMask(hero_tokenizer(tokenizer)).tokenize("Once").input_ids) == "Once"


def test_many_rows_at_once_are_masked_as_each_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{% if messages|length > 2 %}{{ raise_exception('too long') }}{% endif %}" + str(
        tokenizer.chat_template
    )
    mask = ChatMask(hero_tokenizer(tokenizer))
    rows = ["a text", DIALOGUE[:2], DIALOGUE, "another", DIALOGUE[2:]]
    found = mask.tokenize_many(rows)
    assert isinstance(found[2], MaskingError)
    assert [found[0], found[1], found[3], found[4]] == [mask.tokenize(rows[index]) for index in (0, 1, 3, 4)]


def test_limits_in_the_tokenizers_own_file_neither_cut_nor_pad(tokenizer: PreTrainedTokenizerBase) -> None:
    expected = ChatMask(hero_tokenizer(tokenizer)).tokenize_many([DIALOGUE, DIALOGUE[:2]])
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.enable_padding(length=300)
    assert ChatMask(hero_tokenizer(tokenizer)).tokenize_many([DIALOGUE, DIALOGUE[:2]]) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (
            "{{ bos_token }}{{ messages[-1].content }}{{ eos_token }}",
            "the mask is full: the chat template shows no prompt",
        ),
        ("{{ messages[-1].content }}", "the mask is full"),
        (
            "Q: {{ messages[0].content }} A:{{ messages[-1].content | replace('a', ' ') | trim }}",
            "leaves this answer out",
        ),
        ("{% for m in messages[::-1] %}{{ m.content }}{% endfor %}Q", "with another's"),
    ],
)
def test_a_mask_that_is_full_or_empty_is_refused(
    tokenizer: PreTrainedTokenizerBase, template: str, reason: str
) -> None:
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.chat_template = template
    turn = (Message("user", "q"), Message("assistant", "a"))
    with pytest.raises(MaskingError, match=reason):
        ChatMask(hero_tokenizer(tokenizer)).tokenize(turn * 2 if "with" in reason else turn)


def test_an_answer_that_would_be_one_token_with_the_prompt_is_parted_from_it(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this template nothing stands between them. The twin does not part them, and then no token is the answer's."""
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    mask = ChatMask(hero_tokenizer(tokenizer))
    pair = (Message("user", "a"), Message("assistant", "nd"))
    assert trained_text(mask, mask.tokenize(pair)) == ["nd<|im_end|>"]
    monkeypatch.setattr(Seams, "_mended_at", lambda *_: None)
    with pytest.raises(MaskingError, match="the mask is empty"):
        mask.tokenize(pair)


def test_a_very_long_conversation_of_rewritten_answers_is_refused_and_not_waited_for(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "MOST_COMPARED", 5000)
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        "message.content +", "message.content.split('</think>')[-1] +"
    )
    mask = ChatMask(hero_tokenizer(tokenizer))
    turn = (Message("user", "1"), Message("assistant", "<think>1</think>2"))
    assert any(mask.tokenize(turn * 3).trained)
    with pytest.raises(MaskingError, match="rewrites too many answers"):
        mask.tokenize(turn * 30)


def test_without_a_template_only_plain_text_is_trained(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = None
    mask = ChatMask(hero_tokenizer(tokenizer))
    assert all(mask.tokenize("a text").trained)
    with pytest.raises(MaskingError, match="no chat template"):
        mask.tokenize(DIALOGUE)


DATED = (
    "{{ '<|im_start|>' + strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}"
)


def test_rows_are_the_same_tokens_on_any_day(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A battle goes on after midnight by the day on which it was opened; who asks is told today's date."""
    tokenizer.chat_template = DATED
    pair = DIALOGUE[:2]
    opened = ChatMask(hero_tokenizer(tokenizer), day=datetime(2026, 11, 30))
    rows, asked = [], []
    for today in (datetime(2026, 11, 30, 23, 59), datetime(2026, 12, 1, 0, 1)):
        clock = type("Clock", (datetime,), {"now": classmethod(lambda cls, today=today: today)})
        monkeypatch.setattr(chat_template, "datetime", clock)
        rows.append(opened.tokenize(pair).input_ids)
        asked.append(ChatMask(hero_tokenizer(tokenizer), day=None).prompt_ids(pair[:1]))
    assert rows[0] == rows[1]
    assert asked[0] != asked[1]  # the twin: the template does write the date
    assert "30 Nov 2026" in tokenizer.decode(rows[0])
