"""Tables say what benchmark.json holds: nothing lost, nothing invented, nothing executed."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from vestige.benchmark.cells import Blind, Cell, Forensic, Release
from vestige.benchmark.result import Benchmark, BenchmarkWorld, Row, null_rates
from vestige.benchmark.table_files import to_csv, to_html, to_markdown
from vestige.benchmark.tables import (
    Table,
    auc_table,
    error_table,
    null_table,
    tables,
    worlds_table,
)
from vestige.schema.records import Estimate, Rate
from vestige.worlds.record import Recipe

HOSTILE = "=cmd|' /C'!A0 <script>alert(1)</script> *b* _x_ [a](//b) \u202e"
ROWS = (
    Row("auto", "default", True),
    Row("near", "detector", True),
    Row("trained", "detector", False),
    Row("random", "control", True),
    Row("blind", "control", True),
)


def estimate(value: float) -> Estimate:
    return Estimate(value, max(value - 0.05, 0.0), min(value + 0.05, 1.0), 100)


def cell(world: str, row: str, auc: float, seed: int = 0, null: bool = False) -> Cell:
    release = Release(
        estimate(auc), Rate(0.4, 0.3, 0.5, 100, 0.05), None, 0.03, 0.6, "found", "found", 0.05
    )
    forensic = Forensic(50, estimate(auc), estimate(0.25), estimate(0.04), 0.05)
    blind = Blind(estimate(0.58), 0.2, passed=True)
    return Cell(world, row, null, seed, release, forensic, blind, 3.25, 1_000_000)


def world(name: str, **figures: float) -> BenchmarkWorld:
    recipe = Recipe(generator="vae", images="/x", members=300, samples=2000, options={"width": 48})
    return BenchmarkWorld(
        name, "00" * 32, recipe, {"members": 300, "generated": 2000}, {}, dict(figures)
    )


def benchmark(*cells: Cell, worlds: tuple[BenchmarkWorld, ...] = ()) -> Benchmark:
    return Benchmark(
        schema=1,
        rows=ROWS,
        worlds=worlds or tuple(world(name) for name in dict.fromkeys(c.world for c in cells)),
        cells=cells,
        nulls=null_rates(cells),
        options={"workers": 2},
        environment={"vestige": "1", "cpu": "abacus", "cores": "2"},
        date="2026-01-01",
    )


def texts(table: Table) -> dict[str, dict[str, str]]:
    return {
        row[0].text: {head: entry.text for head, entry in zip(table.head, row, strict=True)}
        for row in table.rows
    }


def best(table: Table) -> dict[str, list[str]]:
    return {
        head: [row[0].text for row in table.rows if row[k].best]
        for k, head in enumerate(table.head)
        if k
    }


def test_a_row_per_world_in_the_given_order() -> None:
    trained = world("zebra", steps=3000.0, seconds_per_1000_steps=170.61, samples_per_second=5.512)
    made = benchmark(
        cell("zebra", "auto", 0.9), cell("ant", "auto", 0.5), worlds=(trained, world("ant"))
    )
    shown = texts(worlds_table(made))
    assert list(shown) == ["zebra", "ant"]
    assert shown["zebra"] == {
        "world": "zebra",
        "generator": "vae",
        "settings": "width=48, steps=3000",
        "members": "300",
        "px": "64",
        "samples": "2,000",
        "s / 1,000 steps": "171",
        "images / s": "5.51",
        "AUC [95 %]": "0.90 [0.85, 0.95]",
        "TPR at 5 %": "40.0 %",
        "TPR at 1 %": "-",
        "p": "0.030",
        "leak": "found",
        "kappa [95 %]": "0.25 [0.20, 0.30]",
        "s": "3.2",
    }
    assert shown["ant"]["s / 1,000 steps"] == shown["ant"]["images / s"] == "-"


def test_what_was_not_measured_is_a_dash() -> None:
    lost = Cell("w", "auto", False, 0, error="its process died")
    made = benchmark(lost, cell("w", "near", 0.7))
    shown = texts(worlds_table(made))["w"]
    assert {shown[h] for h in worlds_table(made).head[8:]} == {"-"}
    assert {name: row["w"] for name, row in texts(auc_table(made)).items()} == {
        "auto": "-",
        "near": "0.700",
        "trained": "-",
        "random": "-",
        "blind": "0.580",
    }
    assert texts(error_table(made))["w"]["why"] == "its process died"


def test_another_rate_and_a_veto_are_shown() -> None:
    odd = cell("w", "auto", 0.7)
    assert odd.forensic
    assert odd.release
    odd = replace(
        odd,
        forensic=replace(odd.forensic, false_alarm_rate=1 / 13),
        release=replace(odd.release, leak="undecided", reason="confounded"),
        blind=Blind(estimate(0.8), 0.002, passed=False),
    )
    made = benchmark(odd)
    assert texts(worlds_table(made))["w"]["kappa [95 %]"] == "0.25 [0.20, 0.30] at 0.077"
    assert texts(worlds_table(made))["w"]["leak"] == "undecided (confounded)"
    assert texts(auc_table(made))["blind"]["w"] == "0.800 !"


def test_the_best_without_labels_is_marked_and_no_control() -> None:
    made = benchmark(
        *(cell("a", row, auc) for row, auc in (
            ("auto", 0.71), ("near", 0.82), ("trained", 0.95), ("random", 0.99))),
        *(cell("b", row, auc) for row, auc in (
            ("auto", 0.61231), ("near", 0.61229), ("trained", 0.5), ("random", 0.4))),
        worlds=(world("a"), world("b"), world("empty")),
    )  # fmt: skip
    assert best(auc_table(made)) == {"a": ["near"], "b": ["auto", "near"], "empty": []}


def test_an_auc_is_the_mean_over_seeds_and_never_one_of_a_null() -> None:
    made = benchmark(
        cell("w", "near", 0.6, seed=0),
        cell("w", "near", 0.7, seed=1),
        cell("w", "near", 0.99, seed=0, null=True),
    )
    assert texts(auc_table(made))["near"]["w"] == "0.650"


@pytest.mark.parametrize(
    ("auc", "shade"),
    [(0.3, -1), (0.4499, -1), (0.45, 0), (0.5, 0), (0.55, 1), (0.849, 3), (0.95, 5), (1.0, 5)],
)
def test_shades_rise_with_the_auc(auc: float, shade: int) -> None:
    entry = auc_table(benchmark(cell("w", "auto", auc))).rows[0][1]
    assert entry.shade == shade


def test_nulls_say_what_is_allowed() -> None:
    low = cell("a", "auto", 0.5, null=True)
    assert low.release
    fine = replace(low, release=replace(low.release, p_value=0.4))
    made = benchmark(*[low] * 3, *[fine] * 7, *[replace(fine, world="b")] * 10)
    assert [[entry.text for entry in row] for row in null_table(made).rows] == [
        ["all worlds", "auto", "3 of 20 (allowed: ≤ 4)", "yes"],
        ["a", "auto", "3 of 10 (allowed: ≤ 3)", "yes"],
        ["b", "auto", "0 of 10 (allowed: ≤ 3)", "yes"],
    ]
    made = benchmark(*[low] * 4, *[fine] * 6)
    assert null_table(made).rows[1][3].text == "NO"


def test_tables_without_rows_are_left_out() -> None:
    made = benchmark(cell("w", "auto", 0.5))
    assert [table.title for table in tables(made)] == ["Worlds", "AUC, members against non-members"]


def hostile() -> Benchmark:
    return benchmark(
        cell(HOSTILE, "auto", 0.9),
        cell("cxr_vae_200", "near", 0.9),
        Cell(HOSTILE, "near", False, 0, error=HOSTILE),
        cell(HOSTILE, "auto", 0.5, null=True),
    )


def test_markdown_holds_every_cell_of_every_table() -> None:
    text = to_markdown(hostile())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == sum(len(table.rows) + 2 for table in tables(hostile()))
    for part in text.split("## ")[1:]:
        found = [line for line in part.splitlines() if line.startswith("|")]
        # a bar that ends a cell has no backslash before it
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in found}) == 1
    assert "| **0.900** |" in text
    assert "| cxr_vae_200 |" in text
    assert not re.search(r"(?<!\\)<", text)
    assert "](" not in text
    assert "\u202e" not in text
    assert r"\*b\* \_x\_" in text


def test_csv_is_safe_and_exact() -> None:
    made = hostile()
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert len(rows) == len(made.cells)
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    for row, kept in zip(rows, made.cells, strict=True):
        assert None not in row.values()
        assert row["world"] == ("'" + kept.world if kept.world == HOSTILE else kept.world)
        assert row["null"] == str(int(kept.null))
        if kept.release is None:
            assert row["auc"] == row["kappa"] == row["blind_p"] == ""
            assert row["error"] == "'" + HOSTILE
            continue
        assert kept.forensic
        assert kept.blind
        assert float(row["auc_high"]) == kept.release.auc.high
        assert (float(row["tpr_5"]), row["tpr_1"]) == (0.4, "")
        assert float(row["p_value"]) == kept.release.p_value
        assert row["leak"] == "found"
        assert int(row["queries"]) == 50
        assert float(row["query_auc"]) == kept.forensic.auc.value
        assert [float(row[f"kappa{end}"]) for end in ("", "_low", "_high")] == [0.25, 0.2, 0.3]
        assert float(row["false_alarms"]) == 0.04
        assert (float(row["blind_auc"]), float(row["blind_p"])) == (0.58, 0.2)
        assert (float(row["seconds"]), int(row["peak_rss_bytes"])) == (3.25, 1_000_000)


class Page(HTMLParser):
    """Tags, and the cells of all tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self.bold: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.inside = True
            self.cells.append((dict(attributes).get("class") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.tags[-2:] == ["bdi", "b"] and data.strip():
            self.bold.append(data)
        if self.inside:
            kind, text = self.cells[-1]
            self.cells[-1] = kind, text + data


def test_the_page_shows_all_and_runs_nothing() -> None:
    made = hostile()
    page, text = Page(), to_html(made)
    page.feed(text)
    wanted = [entry.text for table in tables(made) for row in table.rows for entry in row]
    assert [found.strip() for _, found in page.cells] == [
        shown.replace("\u202e", r"\u202e") for shown in wanted
    ]
    assert not {"script", "img", "link", "iframe", "a"} & set(page.tags)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?:", text)
    assert ("s4", "0.900") in [(kind, found.strip()) for kind, found in page.cells]
    assert page.bold[:2] == ["0.900", "0.900"]
