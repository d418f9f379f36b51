"""What keeps the source readable, held by the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vestige

SOURCE = Path(vestige.__file__).parent
FILES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
MOST_LINES = 350
MOST_PARAMETERS = 8
MOST_LOOSE = 8
KEYWORDS = {
    "auditing/audit.py": "audit",
    "release/scrub.py": "scrub",
    "training/train.py": "train",
}
"""The public functions that turn keywords into one value of options."""


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with the number of its parameters, without self or cls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    methods = {
        id(node) for one in ast.walk(tree) if isinstance(one, ast.ClassDef) for node in one.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            bound = id(node) in methods and names[:1] in (["self"], ["cls"])
            yield node.name, len(names) - bound


def test_no_function_takes_more_than_eight_parameters() -> None:
    """Values that travel together are one value; commands declare an option per parameter."""
    many = [
        f"{name}: {function} takes {count}"
        for name, path in FILES.items()
        if not name.startswith("cli/")
        for function, count in functions(path)
        if count > MOST_PARAMETERS and KEYWORDS.get(name) != function
    ]
    assert many == []


def test_no_file_is_longer_than_350_lines() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert [f"{n}: {k} lines" for n, k in lines.items() if k > MOST_LINES] == []


def test_at_most_eight_files_are_in_no_room() -> None:
    loose = [path.name for path in SOURCE.iterdir() if path.is_file()]
    assert len(loose) <= MOST_LOOSE, loose


def test_the_count_of_parameters_sees_all_kinds(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(
        "def f(a, /, b, *, c=1): pass\n"
        "class C:\n    def m(self, a): pass\n    @staticmethod\n    def s(a, b): pass\n"
        "async def g(self): pass\n"
    )
    assert dict(functions(file)) == {"f": 3, "m": 1, "s": 2, "g": 1}


@pytest.mark.parametrize("name", KEYWORDS)
def test_exceptions_are_about_files_that_exist(name: str) -> None:
    assert name in FILES
