"""User-facing text is written once and read by people only: no code looks into it.

Sentences are made in `decision/sentences*.py`, `report/` and `cli/`; these may also take them
apart. Everything else tests codes (`Decision.codes`, `Check.state`,
`PreparationComparison.few_patients`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vestige

SOURCE = Path(vestige.__file__).parent
TEXTS = {"what", "vetoes", "text", "says", "message", "cause", "groups_from"}
"""Attributes that hold a text for people."""
OF_TEXT = {
    *("split", "rsplit", "splitlines", "partition", "rpartition", "startswith", "endswith"),
    *("find", "rfind", "index", "rindex", "count", "replace", "removeprefix", "removesuffix"),
    *("strip", "lstrip", "rstrip", "lower", "upper"),
}
OF_PATTERNS = {"search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split"}


def places() -> list[Path]:
    """Every module that may not look into a sentence."""
    return sorted(
        file
        for file in SOURCE.rglob("*.py")
        if file.relative_to(SOURCE).parts[0] not in ("report", "cli")
        and not (file.parent.name == "decision" and file.name.startswith("sentences"))
    )


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in TEXTS


def offences(source: str) -> Iterator[int]:
    """Lines that compare, split or search a text for people."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            if any(map(is_text, (node.left, *node.comparators))):
                yield node.lineno
        elif isinstance(node, ast.Subscript):
            if is_text(node.value):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method, given = node.func.attr, (*node.args, *(k.value for k in node.keywords))
            looks = is_text(node.func.value) if method in OF_TEXT else False
            if looks or (method in OF_PATTERNS and any(map(is_text, given))):
                yield node.lineno
        elif isinstance(node, ast.Match) and is_text(node.subject):
            yield node.lineno


def test_no_code_looks_into_a_sentence() -> None:
    found = [
        f"{file.relative_to(SOURCE)}:{line}"
        for file in places()
        for line in offences(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "'near copies' in problem.what",
        "check.vetoes == 'none'",
        "check.vetoes.startswith('none')",
        "decision.text.split('. ')[0]",
        "re.search('DICOM', question.groups_from)",
        "pattern.sub('', measure.says)",
        "found.differences[0].cause == FEW_PATIENTS",
        "decision.text[:10]",
        "d = {x.message != y for x in z}",
    ],
)
def test_the_lint_sees_it(line: str) -> None:
    assert list(offences(line)) == [1]


@pytest.mark.parametrize(
    "line",
    ["f'{problem.what}.'", "check.state == 'failed'", "replace(one, what=other.what)"],
)
def test_the_lint_lets_codes_and_printing_pass(line: str) -> None:
    assert list(offences(line)) == []
