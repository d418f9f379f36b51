"""Figures of a benchmark for a paper, as PDF: intervals, ranks and log-log ROC curves.

They need matplotlib, which the extra `pdf` brings. No setting of the user's matplotlib is used.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from vestige.benchmark.result import Benchmark
from vestige.benchmark.tables import ranks_of, releases
from vestige.registry.entries import InputError
from vestige.report.words import visible

WIDTH, ROW = 5.5, 0.22
"""Inches: of a figure, and of one of its rows."""
CURVES = 6
"""ROC curves on one page: `auto` and the rows with the highest AUC."""
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def check_figures() -> None:
    """Refuse figures before hours of work.

    Raises
    ------
    InputError
        Without matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise InputError("figures need matplotlib: pip install 'vestige[pdf]'.")


def draw_figures(benchmark: Benchmark) -> dict[str, bytes]:
    """File name -> PDF: one page of ranks; a page for each world of intervals and of ROC curves.

    The AUC has its 95 % interval; a bar of ranks goes from the best to the worst world. A ROC has
    two logarithmic axes; a curve begins at the smallest rate that the non-members can show.

    Raises
    ------
    InputError
        Without matplotlib.
    """
    check_figures()
    with _own_settings():
        return {
            "intervals.pdf": _pdf(_intervals(benchmark, w.name) for w in benchmark.worlds),
            "ranks.pdf": _pdf([_ranks(benchmark)]),
            "roc.pdf": _pdf(_curves(benchmark, w.name) for w in benchmark.worlds),
        }


@contextmanager
def _own_settings() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {"font.size": 8, "text.parse_math": False, "pdf.fonttype": 42, "axes.grid": True,
             "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False}
        )  # fmt: skip
        yield


def _pdf(figures: Iterable[Any]) -> bytes:
    from matplotlib.backends.backend_pdf import PdfPages

    out = io.BytesIO()
    with PdfPages(out, metadata={"CreationDate": None, "Producer": None}) as pages:
        for figure in figures:
            pages.savefig(figure, bbox_inches="tight")
    return out.getvalue()


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.add_subplot()


def _rows(axes: Any, names: Sequence[str]) -> range:
    """Named rows from top to bottom; their places."""
    places = range(len(names))
    axes.set_yticks(places, [visible(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    return places


def _intervals(benchmark: Benchmark, world: str) -> Any:
    found = releases(benchmark, world)
    figure, axes = _figure(0.8 + ROW * len(found))
    for place, one in zip(_rows(axes, list(found)), found.values(), strict=True):
        axes.plot([one.auc.low, one.auc.high], [place, place], color="0.4", linewidth=1.2)
        axes.plot(one.auc.value, place, "o", color="black", markersize=3)
    axes.axvline(0.5, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlim(0, 1)
    axes.set_xlabel("AUC, members against non-members, 95 % interval")
    axes.set_title(visible(world))
    return figure


def _ranks(benchmark: Benchmark) -> Any:
    found = ranks_of(benchmark)
    figure, axes = _figure(0.8 + ROW * len(found))
    for place, one in zip(_rows(axes, [one.row for one in found]), found, strict=True):
        axes.plot([min(one.ranks), max(one.ranks)], [place, place], color="0.7", linewidth=1.2)
        axes.plot(one.mean, place, "o", color="black", markersize=3)
    axes.set_xlim(0.5, len(found) + 0.5)
    axes.set_xlabel(f"Rank by AUC over {len(benchmark.worlds)} worlds (1 is the best): mean, range")
    return figure


def _curves(benchmark: Benchmark, world: str) -> Any:
    found = {name: one for name, one in releases(benchmark, world).items() if one.roc}
    shown = [name for name in found if name == "auto"]
    shown = (shown + [name for name in found if name != "auto"])[:CURVES]
    figure, axes = _figure(WIDTH * 0.8)
    lowest = 1.0
    for name, dashes in zip(shown, DASHES, strict=False):
        fpr, tpr = zip(*found[name].roc, strict=True)
        lowest = min(lowest, fpr[0])
        axes.plot(fpr, tpr, linestyle=dashes, linewidth=1.1, label=visible(name),
                  drawstyle="steps-post")  # fmt: skip
    axes.plot([lowest, 1], [lowest, 1], color="0.7", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(min(lowest, 0.5), 1))
    for axis in (axes.xaxis, axes.yaxis):  # powers of ten would be a formula
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")
    axes.set_title(visible(world))
    if shown:
        axes.legend(loc="lower right", frameon=False)
    return figure
