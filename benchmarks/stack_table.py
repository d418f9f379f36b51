r"""Does `auto` beat the best published detector, in every world? Makes docs/stack.md.

    python benchmarks/grid.py --grid benchmarks/stack_grid.json --data ../shared/data \
        --worlds worlds --no-benchmark
    vestige benchmark worlds/rep_* --out benchmarks/results/stack [--detector NAME]...
    python benchmarks/stack_table.py

Everything was chosen on the development worlds of benchmarks/stack_grid.json; the page reports
the others. "Best published" is the best of all published detectors *in that world*, picked by the
truth: a bar that nobody could reach without knowing it.
"""

from pathlib import Path
from statistics import fmean

from vestige.benchmark.cells import DEFAULT, UNLABELLED, Release
from vestige.benchmark.result import Benchmark, load_benchmark
from vestige.benchmark.tables import rejections

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "stack.md"
PUBLISHED = (
    *("nearest_distance", "nearest_distance_pca", "calibrated_distance", "calibrated_distance_pca"),
    *("calibrated_distance_5", "mc_ball", "density_ratio", "density_ratio_knn", "gen_lra"),
    *("neighbour_share", "retrieval_count", "mean_rank", "two_sample_classifier", "ssim_encoder"),
    *("ssim_rerank", "contrastive_encoder", "autoencoder_outlier", "texture_wasserstein"),
)
"""Detectors of the literature, in the literature's spaces; texture_pairs, which learns, apart."""
SLACK, GAIN = 0.01, 0.08


def release(benchmark: Benchmark, world: str, row: str) -> Release | None:
    """The answer to the release question of one row, or None."""
    cells = benchmark.measured(world, row)
    return cells[0].release if cells else None


def best(benchmark: Benchmark, world: str, what: str) -> tuple[float, str]:
    """The largest value of the published detectors in a world, and whose it is."""
    found = []
    for name in PUBLISHED:
        answer = release(benchmark, world, name)
        if answer is not None:
            value = answer.auc.value if what == "auc" else (answer.tpr_1 or answer.auc).value
            found.append((value, name))
    return max(found)


def measured(benchmark: Benchmark) -> int:
    """How many of the published detectors have an answer in some world."""
    return sum(
        any(release(benchmark, world.name, name) for world in benchmark.worlds)
        for name in PUBLISHED
    )


def table(benchmark: Benchmark, what: str) -> tuple[list[str], dict[str, list[float]]]:
    """Rows of one table, and the differences of both forms of auto to the best published."""
    rows, gains = [], {DEFAULT: [], UNLABELLED: []}
    for world in benchmark.worlds:
        bar, name = best(benchmark, world.name, what)
        shown = []
        for row in (DEFAULT, UNLABELLED):
            answer = release(benchmark, world.name, row)
            if answer is None:
                raise SystemExit(f"{world.name}: no {row}; run the benchmark again.")
            kept = answer.auc if what == "auc" else answer.tpr_1
            if kept is None:
                raise SystemExit(f"{world.name}: too few unused images for a rate of 1 %.")
            gains[row].append(kept.value - bar)
            shown.append(f"{kept.value:.3f} [{kept.low:.3f}, {kept.high:.3f}]")
        rows.append(f"| {world.name} | {' | '.join(shown)} | {bar:.3f} {name} |")
    return rows, gains


def verdict(gains: list[float]) -> str:
    """How often the bar was reached, and the mean."""
    missed = sum(gain < -SLACK for gain in gains)
    return (
        f"{len(gains) - missed} of {len(gains)} worlds at least the best published less {SLACK}; "
        f"mean difference {fmean(gains):+.3f} (asked: {GAIN:+.3f}); worst {min(gains):+.3f}"
    )


def page(benchmark: Benchmark) -> str:
    """The whole page."""
    out = [
        "# Does `auto` beat the best published detector?",
        "",
        "Made by `python benchmarks/stack_table.py` from `benchmarks/results/stack/`; do not edit.",
        'Worlds: `benchmarks/stack_grid.json`, "reporting"; nothing was chosen on them. X-ray',
        "worlds hold other persons than the development worlds, which hold no CT at all. auto:",
        "cross-fitted by patient with the labels used / unused. auto_unlabelled: the same columns,",
        "no label: targets are learned against calibration images, which is the same thing where",
        "all targets were used. Best published: the best of "
        f"{measured(benchmark)} published detectors in that world, picked by the truth",
        f"(of {len(PUBLISHED)} in all, those that were the best of some world).",
        "",
    ]
    for what, title in (("auc", "AUC"), ("tpr", "TPR at 1 % FPR")):
        rows, gains = table(benchmark, what)
        out += [f"## {title}", "", "| world | auto | auto_unlabelled | best published |"]
        out += ["|---|---|---|---|", *rows, ""]
        out += [f"- {row}: {verdict(gains[row])}." for row in gains]
        out += [""]
    out += ["## Where nothing is there", ""]
    out += [
        f"- {rate.row}: {rejections(rate)} set tests rejected at .05."
        for rate in benchmark.nulls
        if not rate.world
    ]
    out += [
        "",
        "All rows: [benchmarks/results/stack/table.md](../benchmarks/results/stack/table.md).",
    ]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(load_benchmark(HERE / "results/stack/benchmark.json")), encoding="utf-8")
