"""`vestige list` and the page "Which images" say the same of what each detector takes."""

import re
from pathlib import Path

import pytest

from vestige.cli.main import main
from vestige.detectors import DETECTORS

MARKS = {"grey": "", "colour": "[colour]", "all": "[colour, volumes]"}
PAGE = Path(__file__).parents[1] / "docs/which-images.md"


def test_the_list_marks_what_each_detector_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "detectors"])
    rows = {row.split()[0]: row for row in capsys.readouterr().out.splitlines()}
    for name, entry in DETECTORS.items():
        mark = MARKS[entry.takes]
        assert rows[name].endswith(mark)
        assert ("[colour" in rows[name]) == bool(mark)
        assert ("[views]" in rows[name]) == entry.views


def test_the_page_names_the_detectors_of_each_row() -> None:
    rows = [
        row for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| grey,")
    ]
    told = {name: row for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(told) == set(DETECTORS)
    for name, entry in DETECTORS.items():
        assert (MARKS[entry.takes] or "no mark") in told[name].split("|")[1]
