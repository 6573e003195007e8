"""What constants say of themselves: the string below each, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def described(source: ModuleType | type) -> Iterator[tuple[str, str]]:
    """Each constant and function of a module, or member of a class, with its description, in their order."""
    body = ast.parse(inspect.getsource(source)).body
    if len(body) == 1 and isinstance(body[0], ast.ClassDef):
        body = body[0].body
    for statement, below in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.FunctionDef(name=name):
                yield name, one_line(ast.get_docstring(statement))
            case ast.Assign(targets=[ast.Name(id=name)]):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(told))):
                        yield name, one_line(told)
                    case _:
                        yield name, ""


def one_line(text: str | None) -> str:
    """Without its line breaks."""
    return " ".join((text or "").split())
