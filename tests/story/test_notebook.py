"""docs/notebook.md is what examples/notebook.py shows."""

import importlib.util
import re
from typing import Any

import pytest

from docs_blocks import ROOT, blocks

PAGE = ROOT / "docs" / "notebook.md"
SCRIPT = ROOT / "examples" / "notebook.py"
CARD = re.compile(r"^<div style.*?^</div>$", re.M | re.S)


@pytest.fixture(scope="module")
def writer() -> Any:
    found = importlib.util.spec_from_file_location("page", ROOT / "scripts" / "notebook_page.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    import sys

    sys.modules["page"] = module  # its dataclass looks itself up there
    found.loader.exec_module(module)
    del sys.modules["page"]
    return module


def test_the_page_has_the_cells_of_the_script(writer: Any) -> None:
    cells = list(writer.cells(SCRIPT.read_text(encoding="utf-8")))
    page = PAGE.read_text(encoding="utf-8")
    code = [one.text.strip() for one in blocks(page) if one.language == "python"]
    assert code == [cell.body for cell in cells if not cell.is_text]
    assert all(cell.body in page for cell in cells if cell.is_text)
    [card] = CARD.findall(page)
    assert len(card.encode()) < 20_000
    assert card.count("<img") == 8


def test_a_cell_shows_its_last_line(writer: Any) -> None:
    names: dict[str, Any] = {}
    assert writer.shown("a = 3", 1, names) is None
    assert writer.shown("b = 1\na + b", 4, names) == 4
    with pytest.raises(ZeroDivisionError):
        writer.shown("a / 0", 1, names)


def test_the_page_shows_what_the_script_gives(writer: Any) -> None:
    """But for the pictures, whose bytes depend on the version of Pillow."""
    made = writer.page(SCRIPT.read_text(encoding="utf-8"))
    picture = re.compile(r"base64,[\w+/=]*")
    assert picture.sub("", made) == picture.sub("", PAGE.read_text(encoding="utf-8"))
