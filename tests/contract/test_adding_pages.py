"""The examples of docs/adding-a-*.md work as they stand there."""

import ast
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from small_audits import small_world
from vestige.checks import CHECKS, CheckEntry
from vestige.detectors import DETECTORS, DetectorEntry
from vestige.report.blocks import Section
from vestige.testing import check_detector, check_generator
from vestige.worlds import GENERATORS, GeneratorEntry

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def module(page: str, place: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A code block as a module that can be pickled from."""
    made = types.ModuleType(f"page_{page[10:-3]}_{place}")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(blocks(page)[place], made.__dict__)  # noqa: S102  # our own documentation
    return made


def entry(page: str) -> tuple[str, ast.Call]:
    """The entry that a page tells to add: its name and its call."""
    [block] = [b for b in blocks(page) if re.match('"[a-z]', b)]
    made = ast.parse("{" + block + "}", mode="eval").body
    assert isinstance(made, ast.Dict)
    assert isinstance(made.keys[0], ast.Constant)
    assert isinstance(made.values[0], ast.Call)
    return str(made.keys[0].value), made.values[0]


def held(call: ast.Call) -> tuple[str, str]:
    """The kind of entry, and the "file:name" that it names."""
    return ast.unparse(call.func), ast.literal_eval(call.args[1].args[0])  # type: ignore[attr-defined]


def test_the_detector_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("adding-a-detector.md", 0, monkeypatch)
    check_detector(made.BestCorrelation)
    name, call = entry("adding-a-detector.md")
    assert name not in DETECTORS
    assert held(call) == (DetectorEntry.__name__, "best_correlation:BestCorrelation")


def test_the_generator_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("adding-a-generator.md", 0, monkeypatch)
    check_generator(made.NoisyMean)
    name, call = entry("adding-a-generator.md")
    assert name not in GENERATORS
    assert held(call) == (GeneratorEntry.__name__, "noisy_mean:NoisyMean")


def test_the_check_gives_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("adding-a-check.md", 0, monkeypatch)
    name, call = entry("adding-a-check.md")
    assert name not in CHECKS
    assert held(call) == (CheckEntry.__name__, "mirrored:mirrored_check")
    row = made.mirrored_check(small_world("copy"))
    assert (row.name, row.state) == (name, "passed")


def test_the_section_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = module("adding-a-check.md", 2, monkeypatch)

    def result(**packages: str) -> Any:
        return types.SimpleNamespace(manifest=types.SimpleNamespace(dependencies=packages))

    assert isinstance(made.packages(result(numpy="2.0")), Section)
    assert made.packages(result()) is None
