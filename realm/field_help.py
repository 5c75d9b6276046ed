"""The texts that stand below a dataclass's fields: help for who sets them, kept where they are read."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap


@functools.cache
def help_of(cls: type) -> dict[str, str]:
    """By field, in one line each, of the class and of those that it is built on; fields without a text are left out."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (said := _text(text)):
                found[field.target.id] = said
    return found


def _text(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""
