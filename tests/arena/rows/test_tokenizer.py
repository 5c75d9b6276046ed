"""The hero's tokenizer loaded from its files is the one that transformers loads from them: same ids, same masks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2Tokenizer

from arena import embedded
from arena.hero.model import hero_tokenizer, load_tokenizer
from arena.rows import chat_template, tokenizer
from arena.rows.masking import ChatMask, MaskingError, Tokenized
from arena.rows.tokenizer import HeroTokenizer, UnusableTokenizer
from realm.config import RealmConfig
from realm.world import World
from tests.arena.rows.test_masking_by_other_means import CONVERSATIONS, NAMES, as_chat, loaded, turns

TEXTS = ["Once, née\n", "a<|im_end|>", "  blanks \t", "日本語 👩‍👩‍👧", "e\u0301"]
CHATML = (embedded.SOURCE / "chat_template.jinja").read_text()


def trained(backend: Tokenizer) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["the sum of two and two is four " * 20, "user assistant think"], trainer)
    return backend


def with_a_bos() -> PreTrainedTokenizerBase:
    """As Llama 3's: the tokenizer itself puts a token in front."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend = trained(backend)
    backend.post_processor = TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", chat_template="{{ bos_token }}" + CHATML
    )


def of_words() -> PreTrainedTokenizerBase:
    """As Llama 2's: blanks are part of words, and what it does not know becomes one token."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=trained(backend), bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=CHATML
    )


def with_tokens_of_its_own() -> PreTrainedTokenizerBase:
    """Special tokens that only `tokenizer_config.json` names: with a name of their own, and without one."""
    kept = AutoTokenizer.from_pretrained(embedded.SOURCE)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(kept.backend_tokenizer.to_str()),
        eos_token="<|im_end|>",
        image_token="<image>",
        extra_special_tokens=["<call>", "<|im_start|>"],
        chat_template=CHATML.replace("<|im_start|>", "<call>", 1),
    )


def of_several_templates() -> PreTrainedTokenizerBase:
    kept = AutoTokenizer.from_pretrained(embedded.SOURCE)
    kept.chat_template = {"default": CHATML, "tool_use": "{{ tools }}"}
    return kept


def of_a_class_that_builds_its_backend() -> PreTrainedTokenizerBase:
    return Qwen2Tokenizer.from_pretrained(embedded.SOURCE)


def limited() -> PreTrainedTokenizerBase:
    kept = AutoTokenizer.from_pretrained(embedded.SOURCE)
    kept.backend_tokenizer.enable_truncation(5)
    kept.backend_tokenizer.enable_padding(length=300)
    return kept


MAKERS: list[Callable[[], PreTrainedTokenizerBase]] = [
    with_a_bos, of_words, with_tokens_of_its_own, of_several_templates, of_a_class_that_builds_its_backend, limited
]  # fmt: skip


def outcome(mask: ChatMask) -> list[Tokenized | str]:
    found = mask.tokenize_many([*CONVERSATIONS.values(), *TEXTS])
    return [str(each) if isinstance(each, MaskingError) else each for each in found]


def check_both_loadings_are_equal(folder: Path) -> None:
    by_transformers, by_itself = hero_tokenizer(load_tokenizer(str(folder))), HeroTokenizer.load(folder)
    assert by_itself.special == by_transformers.special
    assert (by_itself.named_tokens, by_itself.eos_id) == (by_transformers.named_tokens, by_transformers.eos_id)
    assert by_itself.sha256 == by_transformers.sha256
    assert outcome(ChatMask(by_itself)) == outcome(ChatMask(by_transformers))
    prompt = CONVERSATIONS["many turns"][:1]
    assert ChatMask(by_itself).prompt_ids(prompt) == ChatMask(by_transformers).prompt_ids(prompt)


def test_the_embedded_hero() -> None:
    check_both_loadings_are_equal(embedded.SOURCE)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_that_trl_ships(tmp_path: Path, name: str) -> None:
    loaded(name).save_pretrained(tmp_path)
    check_both_loadings_are_equal(tmp_path)


@pytest.mark.parametrize("make", MAKERS)
def test_tokenizers_of_other_kinds(tmp_path: Path, make: Callable[[], PreTrainedTokenizerBase]) -> None:
    make().save_pretrained(tmp_path)
    check_both_loadings_are_equal(tmp_path)


def test_files_of_older_releases(tmp_path: Path) -> None:
    """A list of templates in the configuration, special tokens in a file of their own, some of them as mappings."""
    (tmp_path / "tokenizer.json").write_bytes((embedded.SOURCE / "tokenizer.json").read_bytes())
    templates = [{"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": CHATML}]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": templates, "eos_token": "<|endoftext|>"}
    end = {"content": "<|im_end|>", "lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    special = {"eos_token": end, "pad_token": "<|pad|>", "additional_special_tokens": ["<|im_start|>", "<call>"]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(special))
    check_both_loadings_are_equal(tmp_path)
    assert HeroTokenizer.load(tmp_path).eos_token == "<|im_end|>"


@pytest.mark.parametrize(
    ("guard", "without"),
    [
        ("_add", lambda backend, config, special: None),
        ("_special_tokens", lambda config: ({}, [])),
        ("_template", lambda folder, config: "{{ messages[-1].content }}"),
    ],
)
def test_twin_with_a_step_of_the_loading_left_out_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: str, without: object
) -> None:
    with_tokens_of_its_own().save_pretrained(tmp_path)
    # transformers saves its tokens into both files
    (tmp_path / "tokenizer.json").write_bytes((embedded.SOURCE / "tokenizer.json").read_bytes())
    check_both_loadings_are_equal(tmp_path)
    monkeypatch.setattr(tokenizer, guard, without)
    with pytest.raises(AssertionError):
        check_both_loadings_are_equal(tmp_path)


TEMPLATES = [
    "{% for m in messages %}{{ m | tojson }}{% endfor %}",
    "{{ messages | tojson(indent=2) }}{{ eos_token }}{{ bos_token }}",
    "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m.role }}\n  {% endfor %}",
    "{% set n = namespace(a=1, self=2) %}{% set n.a = 5 %}{{ n.a }}{{ n.self }}{{ dict(a=1) }}",
    "{% generation %}{% set inside = 1 %}{{ messages[0].content }}{% endgeneration %}{{ inside is defined }}",
    "{{ tools is none }}{{ documents is none }}{{ tools is defined }}{{ missing is defined }}{{ strftime_now('%Y') }}",
    "   {% if add_generation_prompt %}\n   a\n   {% endif %}\n",
    "{{ dict.fromkeys.__globals__ }}{{ messages.__class__ }}",
    "{{ messages[0].content | escape }}{{ messages[0].nothing }}{{ messages[0].content.split('+') }}",
]


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_rendered_as_transformers_does(template: str, asked: bool) -> None:
    check_renders_alike(template, asked=asked)


def check_renders_alike(template: str, *, asked: bool) -> None:
    kept = AutoTokenizer.from_pretrained(embedded.SOURCE)
    chat = as_chat(turns("1+1 <b>née</b>", "2", "2+2", "4"))
    theirs = kept.apply_chat_template(chat, chat_template=template, tokenize=False, add_generation_prompt=asked)
    variables = hero_tokenizer(kept).named_tokens
    assert chat_template.render(template, chat, variables=variables, add_generation_prompt=asked) == theirs


def test_twin_with_jinjas_own_json_a_template_is_rendered_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    chat_template._compiled.cache_clear()
    monkeypatch.setattr(chat_template, "_to_json", json.dumps)
    with pytest.raises(AssertionError):
        check_renders_alike(TEMPLATES[0], asked=False)
    chat_template._compiled.cache_clear()


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}",
        "{% set n = namespace(__init__=1) %}",
        "{% set n = namespace() %}{% set n.__class__ = 1 %}",
        "{% for i in range(1000000) %}{% endfor %}",
        "{{ raise_exception('one turn only') }}",
        "{{ (messages | first).pop('role') }}",
    ],
)
def test_what_a_template_must_not_do_is_refused_by_both(template: str) -> None:
    kept = AutoTokenizer.from_pretrained(embedded.SOURCE)
    chat = as_chat(turns("1", "2"))
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # templates raise what they like
        kept.apply_chat_template(chat, chat_template=template, tokenize=False)
    with pytest.raises(type(theirs.value)):
        chat_template.render(template, chat, variables={})
    kept.chat_template = template
    with pytest.raises(MaskingError, match="the chat template refuses this conversation"):
        ChatMask(hero_tokenizer(kept)).tokenize(turns("1", "2"))


def test_a_broken_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableTokenizer, match="holds no tokenizer"):
        HeroTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UnusableTokenizer, match=r"tokenizer\.json is no tokenizer"):
        HeroTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((embedded.SOURCE / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text("[]")
    with pytest.raises(UnusableTokenizer, match=r"tokenizer_config\.json: a mapping is expected"):
        HeroTokenizer.load(tmp_path)


def test_where_the_heros_tokenizer_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path / "world")
    world.create()
    assert tokenizer.find(world, RealmConfig()) == embedded.SOURCE
    made = embedded.ensure(world.models)
    assert tokenizer.find(world, RealmConfig()) == made
    base = tmp_path / "base"
    base.mkdir()
    assert tokenizer.find(world, RealmConfig(base_model=str(base))) == base
    assert tokenizer.find(world, RealmConfig(base_model="nobody/nothing-of-this-name")) is None
    assert tokenizer.find(world, RealmConfig(base_model="/no/such/folder")) is None
    for name in ("checkpoint-9-20260101-0000", "checkpoint-10-20260101-0000", "checkpoint-11-20260101-0000"):
        (world.heroes / "DIO" / name).mkdir(parents=True)
        if "11" not in name:
            (world.heroes / "DIO" / name / "tokenizer.json").touch()
    assert tokenizer.find(world, RealmConfig(base_model=str(base))) == (
        world.heroes / "DIO" / "checkpoint-10-20260101-0000"
    )
    assert tokenizer.find(world, RealmConfig(hero="EVA")) == made
