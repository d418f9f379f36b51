"""Run examples/notebook.py cell by cell, and write docs/notebook.md with what each cell shows."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPT, PAGE = ROOT / "examples" / "notebook.py", ROOT / "docs" / "notebook.md"
CELL = re.compile(r"^# %%(.*)$", re.M)


@dataclass(frozen=True)
class Cell:
    """Text, or code and its first line in the script."""

    is_text: bool
    body: str
    line: int


def cells(script: str) -> Iterator[Cell]:
    """The cells of a script in the percent format."""
    marks = [*CELL.finditer(script)]
    ends = [*(mark.start() for mark in marks[1:]), len(script)]
    for mark, end in zip(marks, ends, strict=True):
        body = script[mark.end() : end].strip("\n")
        is_text = "[markdown]" in mark[1]
        if is_text:
            body = re.sub(r"^# ?", "", body, flags=re.M)
        yield Cell(is_text, body, script[: mark.end()].count("\n") + 2)


def shown(code: str, line: int, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, None where that is a statement."""
    parsed = ast.parse("\n" * (line - 1) + code)
    last = parsed.body.pop() if isinstance(parsed.body[-1], ast.Expr) else None
    exec(compile(parsed, str(SCRIPT), "exec"), names)  # noqa: S102  # our own script
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), str(SCRIPT), "eval"), names)  # noqa: S307


def page(script: str) -> str:
    """The page: text, code, and what it shows as HTML or in a block of text."""
    names: dict[str, Any] = {}
    parts = []
    for cell in cells(script):
        if cell.is_text:
            parts.append(cell.body)
            continue
        parts.append(f"```python\n{cell.body}\n```")
        value = shown(cell.body, cell.line, names)
        if hasattr(value, "_repr_html_"):
            parts.append(value._repr_html_())
        elif value is not None:
            text = value if isinstance(value, str) else repr(value)
            parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(SCRIPT.read_text(encoding="utf-8")), encoding="utf-8")
