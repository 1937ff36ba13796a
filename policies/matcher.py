"""A matcher of model.conf, compiled once: only names, texts, `==`, and/or/not and the three declared functions.

Casbin evaluates a matcher by walking its tree anew for every row. The same expression as Python's own byte code gives
the same answers, since it is the same expression; whatever is not on the list is refused while loading.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

from policies.errors import PolicyError

_ALLOWED: Final = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.Compare,
    ast.Eq,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
)


class Matcher:
    """One matcher, ready to be asked about a row; `heard`, when it is a list, is told every answer in turn."""

    def __init__(self, expression: str, functions: Mapping[str, Callable[..., bool]]) -> None:
        self._code = compile(_checked(expression, functions), "model.conf", "eval")
        self._scope = {**functions, "__builtins__": {}}
        self.heard: list[bool] | None = None

    def eval(self, names: dict[str, Any]) -> bool:
        """Return whether the row matches; `names` are the tokens of request and row."""
        matched = bool(eval(self._code, self._scope, names))  # noqa: S307 - only what _checked let through
        if self.heard is not None:
            self.heard.append(matched)
        return matched


def _checked(expression: str, functions: Mapping[str, Callable[..., bool]]) -> ast.Expression:
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise PolicyError("model.conf", "matchers", f"is no expression: {expression.strip()[:60]}") from error
    for node in ast.walk(tree):
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions
        plain = not isinstance(node, ast.Call) or (named and not node.keywords)
        text = not isinstance(node, ast.Constant) or isinstance(node.value, str)
        if not isinstance(node, _ALLOWED) or not plain or not text:
            raise PolicyError("model.conf", "matchers", f"{ast.unparse(node)} is not allowed in a matcher")
    return tree
