"""A benchmark of `auto`, of plug-ins and of objects; its ranks, intervals and figures."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from pypdf import PdfReader

from benchmark.test_tables import HOSTILE, benchmark, cell, texts, world
from benchmark_worlds import write_worlds
from story.world import call
from vestige.benchmark import figures, workers
from vestige.benchmark import run as running
from vestige.benchmark.arrays import WorldArrays
from vestige.benchmark.cells import Cell, Task, measure
from vestige.benchmark.latex import latex
from vestige.benchmark.run import Repeats, run_benchmark
from vestige.benchmark.table_files import to_latex
from vestige.benchmark.tables import intervals_table, ranks_of, ranks_table, tables
from vestige.benchmark.workers import failed
from vestige.registry.entries import InputError
from vestige.stats.roc import roc_on
from vestige.types import Floats, Images

NO_NULLS = Repeats(null_seeds=0)


@dataclass
class Nearest:
    """The negative distance to the nearest generated image; known to this file alone."""

    power: float = 2.0
    pool: Any = field(init=False, default=None, repr=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        self.pool = np.asarray(generated, np.float64).reshape(len(generated), -1)
        return self

    def score_samples(self, images: Images) -> Floats:
        rows = np.asarray(images, np.float64).reshape(len(images), -1)
        far = [(np.abs(self.pool - row) ** self.power).sum(axis=1).min() for row in rows]
        return -np.asarray(far)


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_worlds(tmp_path_factory.mktemp("worlds"))["leaking"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Cells that were measured, each in no time."""
    noted: list[Task] = []

    def measured(tasks: Sequence[Task], *how: object) -> Iterator[tuple[Task, Cell]]:
        for task in tasks:
            noted.append(task)
            yield task, with_roc(cell(task.world, task.row, 0.7, task.seed, task.null))

    monkeypatch.setattr(running, "measured", measured)
    return noted


def test_objects_are_rows_that_are_measured_by_every_call(
    leaking: Path, tmp_path: Path, asked: list[Task]
) -> None:
    made = [Nearest(), "auto", Nearest(power=1.0), "mc_ball"]
    found = run_benchmark([leaking], tmp_path, detectors=made, repeats=NO_NULLS)
    rows = ["auto", "auto_unlabelled", "mc_ball", "Nearest", "Nearest_2", "random"]
    assert [row.name for row in found.rows] == [*rows, "blind"]
    assert [task.row for task in asked] == rows
    assert found.options["weights_sha256"]["Nearest"].endswith(":Nearest")
    asked.clear()
    run_benchmark([leaking], tmp_path, detectors=made, repeats=NO_NULLS)
    assert [task.row for task in asked] == ["Nearest", "Nearest_2"]
    assert [task.detector for task in asked] == [made[0], made[2]]


def test_an_object_is_measured_in_this_process(leaking: Path, tmp_path: Path) -> None:
    WorldArrays.read(leaking).save(tmp_path / "w.npz")
    made = Nearest()
    task = Task(str(tmp_path / "w.npz"), "w", "00" * 32, "Nearest", False, 0, detector=made)
    ((told, found),) = workers.measured([task], 1, cell=seen_here)
    assert told is task and found.error == "measured here by Nearest"
    release = measure(task).release
    assert release is not None and release.auc.value > 0.6  # half of the samples are near-copies
    assert len(release.roc) == 40 and release.roc[-1] == (1.0, 1.0)
    assert made.pool is None  # the object itself is never fitted


def seen_here(task: Task) -> Cell:
    return failed(task, f"measured here by {type(task.detector).__name__}")


def test_auto_alone_asks_for_no_other_detector(
    leaking: Path, tmp_path: Path, asked: list[Task]
) -> None:
    found = run_benchmark([leaking], tmp_path, detectors=["auto"], repeats=NO_NULLS)
    assert [row.name for row in found.rows] == ["auto", "auto_unlabelled", "random", "blind"]


def test_the_command_takes_auto_and_draws_figures(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: Any, asked: list[Task]
) -> None:
    pytest.importorskip("matplotlib")
    command = ("benchmark", leaking, "--detector", "auto", "--null-seeds", 0, "--out")
    said = call(capsys, *command, tmp_path, "--figures")
    assert (said.code, said.err) == (0, "")
    assert {p.name for p in tmp_path.glob("*.pdf")} == {"intervals.pdf", "ranks.pdf", "roc.pdf"}
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    without = call(capsys, *command, tmp_path / "o", "--figures")
    assert without.code == 2 and "pip install 'vestige[pdf]'" in without.err
    assert not (tmp_path / "o").exists()


def test_a_roc_is_that_of_the_scores() -> None:
    lot = np.random.default_rng(0)
    used, unused = lot.normal(1, 1, 60), lot.normal(0, 1, 40).round(1)
    fprs = np.geomspace(1 / 40, 1, 9)
    for fpr, tpr in zip(fprs, roc_on(used, unused, fprs), strict=True):
        fits = [t for t in [np.inf, *used, *unused] if (unused >= t).mean() <= fpr + 1e-9]
        assert tpr == pytest.approx(max((used >= t).mean() for t in fits))


# --- ranks and intervals
def three() -> Any:
    """auto 2nd and 1st, near 1st and 3rd, trained 3rd and 2nd; a control that counts not."""
    a = {"auto": 0.8, "near": 0.9, "trained": 0.7, "random": 0.99}
    b = {"auto": 0.6, "near": 0.4, "trained": 0.5, "random": 0.99}
    cells = [cell(w, row, auc) for w, own in (("a", a), ("b", b)) for row, auc in own.items()]
    return benchmark(*cells)


def test_ranks_are_means_over_worlds() -> None:
    shown = texts(ranks_table(three()))
    assert {row: told["mean rank"] for row, told in shown.items()} == {
        "auto": "1.5",
        "near": "2.0",
        "trained": "2.5",
    }
    assert (shown["near"]["best"], shown["near"]["worst"]) == ("1", "3")
    assert shown["trained"]["labels"] == "yes"
    even = benchmark(*(cell(w, row, 0.5) for w in "ab" for row in ("auto", "near")))
    assert [one.mean for one in ranks_of(even)] == [1.5, 1.5]
    half = benchmark(cell("a", "auto", 0.5), cell("b", "auto", 0.5), cell("a", "near", 0.9))
    assert [one.row for one in ranks_of(half)] == ["auto"]  # near was not measured on b
    assert ranks_table(half).rows == ()


def test_each_world_has_the_intervals_of_its_rows() -> None:
    shown = texts(intervals_table(three(), "b"))
    assert list(shown) == ["random", "auto", "trained", "near"]
    assert shown["auto"]["AUC [95 %]"] == "0.60 [0.55, 0.65]"
    titles = [table.title for table in tables(three())]
    assert titles[2:5] == ["Ranks", "Intervals on a", "Intervals on b"]


# --- LaTeX
COMMAND = re.compile(r"\\[a-zA-Z]+|\\.", re.S)


def read_latex(text: str) -> list[list[list[str]]]:
    """The tables of a LaTeX text as rows of entries; asserts that a compiler could read it."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    body = "\n".join(lines)
    depth = 0
    for sign in re.sub(r"\\[{}]", "", body):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    opened: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if what == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    assert len(re.findall(r"(?<!\\)\$", body)) % 2 == 0
    assert not re.search(r"(?<!\\)[#^_]", body)
    assert body.isascii() or all(c.isprintable() or c == "\n" for c in body)
    found = []
    for kinds, inner in re.findall(
        r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", body, re.S
    ):
        columns = len(re.findall(r"p\{\w+\}|[lr]", kinds))
        rows = []
        for line in inner.splitlines():
            if line.endswith(r"\\"):
                rows.append(re.split(r"(?<!\\)&", line.removesuffix(r"\\")))
                assert len(rows[-1]) == columns
            else:
                assert line in (r"\toprule", r"\midrule", r"\bottomrule")
        found.append(rows)
    return found


def test_latex_of_every_table_is_balanced_and_has_its_columns() -> None:
    names = (HOSTILE, "a_b & c", "50 % \\end{tabular} $x$ {")
    made = benchmark(
        *(cell(name, row, 0.6) for name in names for row in ("auto", "near", "trained")),
        cell("a_b & c", "auto", 0.5, null=True),
        Cell(HOSTILE, "random", False, 0, error=HOSTILE + " {"),
        worlds=tuple(world(name, steps=3.0) for name in names),
    )
    found = read_latex(to_latex(made))
    assert len(found) == len(tables(made)) == 8
    assert [len(rows) - 1 for rows in found] == [len(table.rows) for table in tables(made)]


@pytest.mark.parametrize("broken", ["}", "{", r"\begin{table}", r"\end{table}", "$"])
def test_the_reader_of_latex_sees_what_is_broken(broken: str) -> None:
    text = latex("t", "m", tables(three()))
    read_latex(text)
    with pytest.raises((AssertionError, IndexError)):
        read_latex(text + broken)
    with pytest.raises(AssertionError):
        read_latex(text.replace(" & ", " ", 1))


# --- figures
def with_roc(one: Cell) -> Cell:
    assert one.release is not None
    curve = ((0.01, 0.0), (0.1, 0.4), (1.0, 1.0))
    return replace(one, release=replace(one.release, roc=curve))


def test_figures_have_a_page_for_each_world_and_run_no_name(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    name = HOSTILE + r" $\frac{x}$"
    cells = [
        with_roc(cell(w, row, 0.6)) for w in ("a", name) for row in ("auto", "near", "trained")
    ]
    made = benchmark(*cells)
    for file, pdf in figures.draw_figures(made).items():
        (tmp_path / file).write_bytes(pdf)
        pages = PdfReader(tmp_path / file).pages
        assert len(pages) == (1 if file == "ranks.pdf" else 2)
        text = pages[0].extract_text()
        assert "auto" in text and "near" in text
    assert "frac" in PdfReader(tmp_path / "roc.pdf").pages[1].extract_text()


def test_figures_without_matplotlib_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'vestige\[pdf\]'"):
        figures.draw_figures(three())
