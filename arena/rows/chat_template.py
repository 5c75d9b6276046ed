"""Chat templates rendered as transformers 5 does it (`apply_chat_template(tokenize=False)`), without transformers.

A template comes with the model, so it runs in jinja2's immutable sandbox: it reaches no file and no attribute of
Python's own, and one `range` has at most 100,000 items. What that does not bound, loops inside loops and strings
doubled again and again, is bounded around it: `arena.rows.overrun` by time, confined processes by memory too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

Chat = Sequence[Mapping[str, str]]


def render(
    template: str,
    chat: Chat,
    *,
    variables: Mapping[str, str],
    add_generation_prompt: bool = False,
    now: datetime | None = None,
) -> str:
    """The conversation as text. Templates raise what they like.

    `variables` are the named special tokens, such as `eos_token`; `now` is what the template takes for the present.
    """
    return _compiled(template).render(
        messages=[dict(message) for message in chat],
        tools=None,
        documents=None,
        add_generation_prompt=add_generation_prompt,
        strftime_now=(now or datetime.now()).strftime,
        **variables,
    )


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise,
        "dict": _Dict(),
        "namespace": _OpenNamespace,
    }
    return environment.from_string(template)


class _Generation(Extension):
    """`{% generation %}` marks what the hero writes, for those who go by such marks; here it is only a block.

    A call block as in transformers, so that what is set inside does not last outside.
    """

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_as_it_is"), [], [], body).set_lineno(line)

    def _as_it_is(self, caller: Callable[[], str]) -> str:
        return caller()


class _Dict:
    """`dict` itself would hand out its attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


class _OpenNamespace(Namespace):
    """A namespace without names that begin with an underscore, by which templates got out of the sandbox."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # `namespace(self=…)` is allowed
        self, *rest = args
        values = dict(*rest, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a chat template must not keep anything under {name!r} in a namespace; rename it")


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes what HTML would take for its own."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
