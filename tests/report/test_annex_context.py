"""context.toml: every key is read, and everything else is one line that says what is allowed."""

import re
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from report.annexes import KEY, context_of, filled
from story.world import call
from vestige.registry.entries import InputError
from vestige.report.annex_context import TABLES, Context, template


def test_the_template_has_every_key_once_and_states_nothing(tmp_path: Path) -> None:
    keys = [key for kind in TABLES.values() for key in kind.__dataclass_fields__]
    assert len(KEY.findall(template())) == len(keys)
    empty = asdict(context_of(tmp_path, template()))
    del empty["folder"]
    assert all(value is None for table in empty.values() for value in table.values())


def test_every_key_of_the_filled_template_is_read(tmp_path: Path) -> None:
    read = asdict(context_of(tmp_path, filled()))
    assert read.pop("folder") == tmp_path
    assert not [k for table in read.values() for k, value in table.items() if value is None]
    assert read["document"]["next_review"] == date(2027, 11, 30)
    assert read["generator"]["epsilon"] == 8.0
    assert read["subgroups"]["columns"] == ("sex", "age_band", "device", "rare_label")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[genrator]", "unknown table genrator (did you mean generator?). Allowed: document, "),
        ("[generator]\nepoch = 3", "[generator] has the unknown key epoch (did you mean epochs?)"),
        ("[generator]\nzzz = 3", "has the unknown key zzz. Allowed: family, parameters, epochs"),
        ('"a\\nb" = 3', "unknown table a b."),
        ("generator = 3", "generator is a table: write [generator]"),
        ("[[generator]]\nepochs = 3", "generator is a table"),
        ('[generator]\nepochs = "ten"', "generator.epochs must be a whole number, 0 or more, not"),
        ("[generator]\nepochs = true", "generator.epochs must be a whole number"),
        ("[generator]\nepochs = -1", "generator.epochs must be a whole number, 0 or more"),
        ("[generator]\nepsilon = nan", "generator.epsilon must be a finite number"),
        ('[generator]\nepsilon = "8"', "generator.epsilon must be a number"),
        ("[generator]\ndelta = 1.5", "generator.delta must be below 1"),
        ('[generator]\nunit = "slice"', "generator.unit must be one of 'image', 'patient', not"),
        ("[generator]\nfamily = 3", "generator.family must be a text in quotes, not 3"),
        ('[generator]\ndifferentially_private = "no"', "must be true or false, without quotes"),
        ("[generator]\ndifferentially_private = false\nepsilon = 1", "keep one of them"),
        ("[generator]\nepsilon = 1", "generator.epsilon is given, but generator.different"),
        ("[generator]\nunit = 'patient'", "is not: add differentially_private = true"),
        (
            "[generator]\ntraining_images = 10\ntraining_patients = 99",
            "generator.training_patients is 99, but generator.training_images is 10 only",
        ),
        ('[document]\ndate = "2026-11-30"', "document.date must be a date such as 2026-11-30"),
        ("[document]\ndate = 2026-11-30T10:00:00", "quotes and time, not 2026-11-30T10:00:"),
        ("[document]\ndate = 2026-11-30\nnext_review = 2026-11-30", "must be later than"),
        ('[data_set]\nsha256 = "abc"', "data_set.sha256 must have 64 digits"),
        ('[subgroups]\ntable = "a.csv"\ncolumns = "sex"', "must be a list of texts"),
        ('[subgroups]\ncolumns = ["sex"]', "subgroups.columns needs subgroups.table"),
        (f'[document]\ntitle = "{"x" * 161}"', "document.title has 161 characters; shorten it to"),
        (f'[split]\ndates = "{"x" * 2001}"', "split.dates has 2,001 characters; shorten it to 2,0"),
        ("[document\n", "context.toml is not valid TOML: "),
        ("title = 1\ntitle = 2", "context.toml is not valid TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_context_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        context_of(tmp_path, text)
    message = str(refused.value)
    assert said in message
    assert message.startswith("context.toml")
    assert "\n" not in message and message.endswith(".")


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "annex.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert context_of(tmp_path, example).subgroups.columns == ("sex", "age_band")


def test_blank_texts_are_not_stated_and_lines_become_blanks(tmp_path: Path) -> None:
    text = '[document]\ntitle = "  "\npurpose = """one\n two"""'
    read = context_of(tmp_path, text)
    assert read == Context(folder=tmp_path, document=type(read.document)(purpose="one two"))


def test_the_command_writes_the_template(make_result: Any, tmp_path: Path, capsys: Any) -> None:
    result, out = tmp_path / "result.json", tmp_path / "context.toml"
    result.write_text(make_result("not found").to_json(), encoding="utf-8")
    assert call(capsys, "report", result, "--annex-template", "--out", out).code == 0
    assert out.read_text(encoding="utf-8") == template()
