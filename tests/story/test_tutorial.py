"""docs/tutorial.md, block by block, in one folder: what it prints is what the page says."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from docs_blocks import ROOT, Block, blocks, commands
from vestige.cli.main import main

PAGE = ROOT / "docs" / "tutorial.md"
ANSWERS = {0, 3, 4}  # done, or what the gate says


def run(block: Block, names: dict[str, Any]) -> str:
    """What a block prints; its names stay for the next ones."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(PAGE), "exec"), names)  # noqa: S102
        else:
            asked = commands(block.text)
            assert len(asked) == len(re.findall(r"^\w", block.text, re.M))
            for arguments in asked:
                with pytest.raises(SystemExit) as end:
                    main(arguments)
                assert end.value.code in ANSWERS, arguments
    return printed.getvalue()


def execute(page: list[Block], names: dict[str, Any]) -> int:
    """Run all blocks; a text block states what the block before it prints. Returns their number."""
    said, stated = "", 0
    for block in page:
        if block.language == "text":
            assert said.strip() == block.text.strip(), f"line {block.line}"
            stated += 1
        else:
            said = run(block, names)
    return stated


@pytest.mark.slow
def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: Any) -> None:
    page = blocks(PAGE.read_text(encoding="utf-8"))
    assert {one.language for one in page} == {"python", "sh", "text"}
    monkeypatch.chdir(tmp_path)
    assert execute(page, {}) >= 5


def test_another_output_or_a_failure_is_seen(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    right = Block("text", "1\n", 3)
    assert execute([Block("python", "print(1)\n", 1), right], {}) == 1
    with pytest.raises(AssertionError, match="line 3"):
        execute([Block("python", "print(2)\n", 1), right], {})
    with pytest.raises(ZeroDivisionError):
        execute([Block("python", "1 / 0\n", 1)], {})
    with pytest.raises(AssertionError):
        execute([Block("sh", "vestige audit --generated missing --used no\n", 1)], {})
