"""Messages name options to the command line, and keywords to Python."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vestige
from vestige.auditing.keywords import Keywords
from vestige.benchmark.run import Repeats, run_benchmark
from vestige.imageclef.challenge import export_run
from vestige.registry.entries import InputError
from vestige.registry.spelling import KEYWORDS, in_python
from vestige.worlds.importing import Origin
from vestige.worlds.record import Recipe

SOURCE = Path(vestige.__file__).parent
OPTION = re.compile(r"(?<![\w/.-])--[a-z][a-z-]*")
CALLS: tuple[Callable[..., Any], ...] = (
    vestige.audit,
    vestige.scrub,
    vestige.train,
    vestige.AuditResult.save,
    run_benchmark,
    Repeats,
    Recipe,
    Origin,
    export_run,
)
COMMAND_ONLY = {"--named", "--top-half", "--with-names", "--protocol", "--json"}
"""Options whose messages speak of a command, or whose keyword has other values."""


def messages() -> Iterator[str]:
    """Every text with an option that is given to an InputError outside of the command line."""
    for path in sorted(SOURCE.rglob("*.py")):
        if "cli" in path.relative_to(SOURCE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError":
                parts = [
                    str(part.value)
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                if OPTION.search(text := "".join(parts)):
                    yield text


MESSAGES = list(messages())


def test_there_are_many_such_messages() -> None:
    assert len(MESSAGES) > 40


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_has_the_words_of_who_reads_it(text: str) -> None:
    error = InputError(text)
    assert error.for_command == text
    assert set(OPTION.findall(str(error))) <= COMMAND_ONLY
    assert in_python(str(error)) == str(error)


def test_every_keyword_is_taken_somewhere() -> None:
    taken = {*Keywords.__annotations__}
    for call in CALLS:
        taken |= {*inspect.signature(call).parameters}
    words = {word.split("=")[0] for word in KEYWORDS.values()}
    assert words - taken == set()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("give --used and --unused.", "give used= and unused=."),
        ("or give --slices", 'or give dimensions="2d"'),
        ("give --layout n,h,w or h,w,n", "give layout=n,h,w or h,w,n"),
        ("--query-share 0 or 1", "query_share=0 or 1"),
        ("give --reference DIR with", "give reference=DIR with"),
        (
            "audit without --no-checks, or --effort high",
            "audit without checks=False, or effort=high",
        ),
        ("run --gate", "run --gate"),
        ("/data/--used/x.png and a--used", "/data/--used/x.png and a--used"),
    ],
)
def test_options_become_keywords(written: str, read: str) -> None:
    assert in_python(written) == read


def test_an_audit_in_python_names_keywords() -> None:
    with pytest.raises(InputError) as caught:
        vestige.audit("nowhere", release_curve=True, used="a")
    assert "used= and unused=" in str(caught.value)
    assert "--used and --unused" in caught.value.for_command
