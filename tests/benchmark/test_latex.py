"""Tables for papers, and pages of which no column is cut off."""

import re

import pytest

from benchmark.test_tables import HOSTILE, benchmark, cell, world
from vestige.benchmark.latex import latex
from vestige.benchmark.table_files import page, to_html, to_latex
from vestige.benchmark.tables import MOST_COLUMNS, Entry, Table, in_parts


def wide(columns: int) -> Table:
    head = ("row", *(f"w{k}" for k in range(columns)))
    body = tuple(Entry(str(k), best=k == 2) for k in range(columns))
    return Table("AUC", "Bold: `best`.", head, ((Entry("a_b"), *body),), upright=True)


@pytest.mark.parametrize("columns", [1, MOST_COLUMNS, MOST_COLUMNS + 1, 40])
def test_parts_hold_every_column_once(columns: int) -> None:
    table = wide(columns)
    parts = in_parts(table)
    assert len(parts) == -(-columns // MOST_COLUMNS)
    assert [name for part in parts for name in part.head[1:]] == list(table.head[1:])
    assert [e for part in parts for e in part.rows[0][1:]] == list(table.rows[0][1:])
    assert all(len(part.head) == len(part.rows[0]) <= MOST_COLUMNS + 1 for part in parts)
    assert [bool(part.note) for part in parts] == [True] + [False] * (len(parts) - 1)


def test_latex_is_booktabs_with_every_entry() -> None:
    text = latex("t", "m", [wide(3)])
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"a\_b & 0 & 1 & \textbf{2} \\" in text
    assert r"\caption{AUC. Bold: \texttt{best}.}" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert text.count("{") == text.count("}")


def test_no_name_starts_a_command() -> None:
    name = HOSTILE + r" \input{/etc/passwd} $x$ % end ~ ^"
    made = benchmark(cell(name, "auto", 0.9), worlds=(world(name),))
    text = to_latex(made)
    body = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
    assert r"\input" not in body and r"\textbackslash{}input\{/etc/passwd\}" in body
    assert not re.search(r"(?<!\\)[#&](?! )|(?<!\\)\$(?!\\)(?!\})[^\\]*x", body)
    assert "\u202e" not in text


def test_pages_have_no_backtick_and_no_absolute_path() -> None:
    made = benchmark(cell("w", "auto", 0.9), worlds=(world("w"),))
    recipe = made.worlds[0].recipe
    recipe.options["weights"] = "/home/anna/secret/net.safetensors"
    html = to_html(made)
    assert "<code>auto</code>" in html and "`" not in html
    assert "/home" not in html and "weights=net.safetensors@" in html


def test_a_wide_table_becomes_several_on_the_page() -> None:
    html = page("t", "m", [wide(30)])
    assert html.count("<table") == 3 and "AUC (part 3 of 3)" in html
    assert "overflow-x" not in html
