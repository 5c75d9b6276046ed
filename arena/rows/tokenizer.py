"""A hero's tokenizer without transformers, so that web, gatekeepers and trainer read rows by the very same one.

The trainer makes its own out of what transformers loaded (`arena.hero.model`); all others load the files that lie
in the hero's folder, as transformers 5 reads them. It writes the same files into every checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tokenizers import AddedToken, Encoding, Tokenizer
from tokenizers.processors import TemplateProcessing

from arena import embedded
from arena.rows.model_ends import model_ends
from realm.checkpoints.branches import walk_line
from realm.config import RealmConfig
from realm.world import World

if TYPE_CHECKING:
    from arena.rows.chat_template import Chat

TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
SPECIAL_TOKENS_FILE, TEMPLATE_FILE = "special_tokens_map.json", "chat_template.jinja"
_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class UnusableTokenizer(ValueError):
    """The files of a folder make no tokenizer; the text names the file."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HeroTokenizer:
    """The backend and what else decides how a row becomes tokens."""

    backend: Tokenizer
    template: str | None
    """The chat template, if there is one."""
    named_tokens: Mapping[str, str] = field(default_factory=dict)
    """Special tokens by what they are: `eos_token` and the like. Templates read them as variables."""
    extra_tokens: tuple[str, ...] = ()
    """Special tokens without a name."""
    model_ends: frozenset[int] = frozenset()
    """Tokens at which the model itself ends, by the files beside its weights."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The tokenizer whose files lie in `folder`, such as a checkpoint's. Raises UnusableTokenizer."""
        path = folder / TOKENIZER_FILE
        if not path.is_file():
            raise UnusableTokenizer(f"{folder} holds no {TOKENIZER_FILE}")
        try:
            backend = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare exceptions
            raise UnusableTokenizer(f"{path} is no tokenizer: {error}") from error
        config = _config(folder)
        try:
            named, extra = _special_tokens(config)
            _add(backend, config, [*named.values(), *extra])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnusableTokenizer(f"{folder / CONFIG_FILE} names tokens that are none: {error}") from error
        if backend.post_processor is None:
            backend.post_processor = TemplateProcessing(single="$A", pair="$A:0 $B:1", special_tokens=[])
        return cls(
            backend=backend,
            template=_template(folder, config),
            named_tokens={name: str(_content(token)) for name, token in named.items()},
            extra_tokens=tuple(str(_content(token)) for token in extra),
            model_ends=model_ends(folder),
        )

    @cached_property
    def sha256(self) -> str:
        """Digest of all that decides how a row becomes tokens, however it was loaded."""
        self._drop_limits()
        rest = [self.template, dict(self.named_tokens), list(self.extra_tokens)]
        described = json.dumps(rest, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(f"{self.backend.to_str()}\n{described}".encode()).hexdigest()

    @property
    def eos_token(self) -> str | None:
        return self.named_tokens.get("eos_token")

    @property
    def eos_id(self) -> int | None:
        return None if self.eos_token is None else self._id(self.eos_token)

    @cached_property
    def special(self) -> dict[str, int | None]:
        """Every special token and its id.

        A tokenizer's list of its special tokens often leaves out its turn markers (Phi-3's <|end|>).
        """
        added = {token.content: index for index, token in self.backend.get_added_tokens_decoder().items()
                 if token.special}  # fmt: skip
        return added | {token: self._id(token) for token in (*self.named_tokens.values(), *self.extra_tokens)}

    @cached_property
    def longest_token(self) -> int:
        """Characters of the longest token: no text of more than n times as many is as short as n tokens."""
        return max(map(len, self.backend.get_vocab()), default=1)

    def render(self, chat: Chat, *, add_generation_prompt: bool = False, now: datetime | None = None) -> str:
        """The conversation by the chat template, which raises what it likes."""
        from arena.rows import chat_template  # pages and daemons, which leave it to a confined child, need no jinja2

        assert self.template is not None
        return chat_template.render(
            self.template, chat, variables=self.named_tokens, add_generation_prompt=add_generation_prompt, now=now
        )

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        self._drop_limits()
        ids: list[int] = self.backend.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def encode_many(self, texts: Sequence[str]) -> list[Encoding]:
        """Without the tokens that the tokenizer itself puts around a text. Uses every core."""
        self._drop_limits()
        return self.backend.encode_batch(list(texts), add_special_tokens=False)

    def decode(self, ids: Sequence[int]) -> str:
        return self.backend.decode(list(ids), skip_special_tokens=False)

    def _id(self, token: str) -> int | None:
        unknown = self.named_tokens.get("unk_token")
        found = self.backend.token_to_id(token)
        return self.backend.token_to_id(unknown) if found is None and unknown is not None else found

    def _drop_limits(self) -> None:
        """A tokenizer.json may bring a length to cut or to pad to; a row is never cut or padded here."""
        if self.backend.truncation is not None:
            self.backend.no_truncation()
        if self.backend.padding is not None:
            self.backend.no_padding()


def find(world: World, config: RealmConfig) -> Path | None:
    """Folder of the tokenizer that the hero's next battle will use; None where it is not on this machine yet."""
    for checkpoint in walk_line(world.heroes / config.hero):
        if (checkpoint / TOKENIZER_FILE).is_file():
            return checkpoint
    return base_folder(world, config) or (None if config.base_model else embedded.SOURCE)


def base_folder(world: World, config: RealmConfig) -> Path | None:
    """Folder of the base model's files; None where they are not on this machine yet."""
    if not config.base_model:
        made = embedded.folder(world.models)
        return made if made.is_dir() else None
    folder = Path(config.base_model).expanduser()
    return folder.resolve() if folder.is_dir() else _in_hub_cache(config.base_model)


def _in_hub_cache(model: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # takes longer to import than all else here together

    try:
        found = try_to_load_from_cache(model, TOKENIZER_FILE)
    except ValueError:  # no hub id
        return None
    return Path(found).parent if isinstance(found, str) else None


def default_template(value: Any) -> str | None:
    """The template of a conversation without tools, of what is kept under `chat_template`: one, or several by name."""
    if isinstance(value, list):
        value = {item.get("name"): item.get("template") for item in value if isinstance(item, dict)}
    if isinstance(value, dict):
        value = value.get("default")
    return value if isinstance(value, str) else None


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    path = folder / TEMPLATE_FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return default_template(config.get("chat_template"))
    except (OSError, ValueError) as error:
        raise UnusableTokenizer(f"{path} cannot be read: {error}") from error


def _config(folder: Path) -> dict[str, Any]:
    """`tokenizer_config.json`, with `special_tokens_map.json` laid over it where it comes from an old release."""
    config = _read_mapping(folder / CONFIG_FILE)
    return config if "added_tokens_decoder" in config else config | _read_mapping(folder / SPECIAL_TOKENS_FILE)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableTokenizer(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise UnusableTokenizer(f"{path}: a mapping is expected")
    return value


def _special_tokens(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Named and other special tokens, each a text or a mapping with `content`."""
    found = {key: value for key, value in config.items() if key in _NAMES or key.endswith("_token")}
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    if isinstance(extra, dict):
        found, extra = found | extra, []
    named = {name: token for name, token in found.items() if _content(token) is not None}
    return named, [token for token in extra if _content(token) is not None]


def _content(token: Any) -> str | None:
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _add(backend: Tokenizer, config: Mapping[str, Any], special: Sequence[Any]) -> None:
    """Add to the vocabulary what the configuration names and `tokenizer.json` has not, or has otherwise."""
    there = backend.get_added_tokens_decoder().values()
    described = {repr(token) for token in there}
    listed = sorted((config.get("added_tokens_decoder") or {}).items(), key=lambda item: int(item[0]))
    new = [token for token in (_added(value) for _, value in listed) if repr(token) not in described]
    known = {token.content for token in (*there, *new)}
    for value in special:
        if _content(value) not in known:
            new.append(_added(value, special=True))
            known.add(_content(value) or "")
    if new:
        backend.add_tokens(new)


def _added(value: Any, *, special: bool = False) -> AddedToken:
    if isinstance(value, str):
        return AddedToken(value, special=True)
    flags = {name: value[name] for name in ("single_word", "lstrip", "rstrip", "normalized") if name in value}
    return AddedToken(value["content"], special=special or bool(value.get("special")), **flags)
