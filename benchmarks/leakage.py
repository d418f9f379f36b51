"""When do which generators leak: the page and its figures, from the results alone.

    python benchmarks/leakage.py

Reads benchmarks/results/*.json and benchmarks/worlds/*; writes docs/when-generators-leak.md and
docs/figures/leakage-*.svg.
"""

import csv
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "vestige"  # the same bytes from the same figures

import matplotlib.pyplot as plt  # noqa: E402

from vestige.benchmark.result import Benchmark, BenchmarkWorld, load_benchmark  # noqa: E402

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
COLOURS = {"gan": "#b5443c", "diffusion": "#2b6ca3", "vae": "#4d8a4a"}
OTHER = "#777777"


def label(world: BenchmarkWorld) -> str:
    """What the training was, in a few words."""
    options = world.recipe.options
    words = [f"{options['steps']:,} steps"] if "steps" in options else []
    if world.recipe.generator == "gan":
        words.append("augmented" if options.get("augment", True) else "not augmented")
    if options.get("latent") == 2:
        words.append("latent 2")
    if "beta" in options:
        words.append(f"beta {options['beta']:g}")
    if "share" in options:
        words.append(f"{options['share']:.0%} copies")
    return ", ".join(words)


def table(benchmark: Benchmark) -> list[str]:
    """One row per world, the weakest trace first within a generator."""
    lines = [
        "| generator | reals | px | members | training | epochs | AUC [95 %] | TPR at 5 % FPR "
        "| set test p | verdict | kappa, with labels |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    found = []
    for world in benchmark.worlds:
        for cell in benchmark.measured(world.name, "default")[:1]:
            found.append((world.recipe.generator, cell.release.auc.value, world, cell))
    for generator, _, world, cell in sorted(found, key=lambda row: row[:2]):
        release, forensic = cell.release, cell.forensic
        auc, tpr = release.auc, release.tpr_5
        kappa = forensic.kappa if forensic else None
        epochs = world.figures.get("epochs")
        lines.append(
            f"| {generator} | {Path(world.recipe.images).name.partition('_')[0].upper()} "
            f"| {world.recipe.size} | {world.counts['members']:,} | {label(world)} "
            f"| {f'{epochs:,.0f}' if epochs else '-'} "
            f"| {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] "
            f"| {f'{tpr.value:.2f}' if tpr else '-'} | {release.p_value:.4f} | {release.leak} "
            f"| {f'{kappa.value:.2f} [{kappa.low:.2f}, {kappa.high:.2f}]' if kappa else '-'} |"
        )
    return lines


def draw_members(benchmark: Benchmark, path: Path) -> None:
    """AUC against members, one point per trained world."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    marks = {True: "o", False: "s"}
    for world in benchmark.worlds:
        generator = world.recipe.generator
        if generator not in COLOURS or "steps" not in world.recipe.options:
            continue
        for cell in benchmark.measured(world.name, "default")[:1]:
            auc, xray = cell.release.auc, "cxr" in world.name
            axes.errorbar(
                world.counts["members"] * {"gan": 0.94, "diffusion": 1.0, "vae": 1.06}[generator],
                auc.value,
                yerr=[[auc.value - auc.low], [auc.high - auc.value]],
                fmt=marks[xray],
                color=COLOURS[generator],
                alpha=1.0 if world.recipe.options["steps"] >= 2000 else 0.4,
                markersize=5,
                linewidth=1,
            )
    for generator, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=generator)
    axes.plot([], [], "s", color="white", markeredgecolor="black", label="CT (else X-ray)")
    axes.plot([], [], "o", color="black", alpha=0.4, label="fewer than 2,000 steps")
    _finish(axes, "members (images the generator was trained on)", log=True)
    axes.set_xticks([50, 100, 200, 400, 800, 1600], ["50", "100", "200", "400", "800", "1,600"])
    axes.minorticks_off()
    _save(figure, path)


def draw_epochs(benchmark: Benchmark, path: Path) -> None:
    """AUC against epochs: how often each image was seen."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for world in benchmark.worlds:
        generator, epochs = world.recipe.generator, world.figures.get("epochs")
        if generator not in COLOURS or not epochs:
            continue
        for cell in benchmark.measured(world.name, "default")[:1]:
            auc = cell.release.auc
            hollow = generator == "gan" and world.recipe.options.get("augment", True)
            axes.plot(
                epochs,
                auc.value,
                "o",
                color="white" if hollow else COLOURS[generator],
                markeredgecolor=COLOURS[generator],
                markersize=6,
            )
            axes.annotate(
                f"{world.counts['members']:,}",
                (epochs, auc.value),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=7,
                color="#555555",
            )
    for generator, colour in COLOURS.items():
        axes.plot([], [], "o", color=colour, label=generator)
    axes.plot([], [], "o", color="white", markeredgecolor=COLOURS["gan"], label="gan, augmented")
    _finish(axes, "epochs (small figures: members)", log=True)
    _save(figure, path)


def draw_samples(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """AUC against the number of samples that are released."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for style, (name, points) in zip("osv^Dx*", curves.items(), strict=False):
        colour = COLOURS.get(name.partition("_")[0], OTHER)
        x = [point["samples"] for point in points]
        axes.fill_between(x, [p["low"] for p in points], [p["high"] for p in points],
                          color=colour, alpha=0.08)  # fmt: skip
        axes.plot(x, [p["auc"] for p in points], f"-{style}", color=colour, label=name,
                  markersize=4, linewidth=1)  # fmt: skip
    _finish(axes, "generated images released", log=True)
    _save(figure, path)


def draw_steps(curves: dict[str, list[dict[str, float]]], path: Path) -> None:
    """AUC while the generator trains (examples/watch_training.py)."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for style, (name, points) in zip("osv^", curves.items(), strict=False):
        colour = COLOURS.get(name.partition("_")[0], OTHER)
        x = [point["step"] for point in points]
        axes.fill_between(x, [p["low"] for p in points], [p["high"] for p in points],
                          color=colour, alpha=0.08)  # fmt: skip
        axes.plot(x, [p["auc"] for p in points], f"-{style}", color=colour, label=name,
                  markersize=4, linewidth=1)  # fmt: skip
    _finish(axes, "training steps", log=False)
    _save(figure, path)


def _finish(axes: plt.Axes, xlabel: str, log: bool) -> None:
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    if log:
        axes.set_xscale("log")
    axes.set_ylim(0.38, 1.02)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("AUC, members against unused")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def speed(told: dict) -> list[str]:
    """Training and sampling speed, both precisions."""
    lines = [
        "| generator | px | s per 1,000 steps, float32 | bfloat16 | float32 / bfloat16 "
        "| samples per second, float32 |",
        "|---|---|---|---|---|---|",
    ]
    for row in told["rows"]:
        lines.append(
            f"| {row['generator']} | {row['side']} | {row['seconds_per_1000_steps_float32']:,} "
            f"| {row['seconds_per_1000_steps_bfloat16']:,} "
            f"| {row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}] "
            f"| {row['samples_per_second_float32']:,} |"
        )
    return lines


def read_steps() -> dict[str, list[dict[str, float]]]:
    """Curves of examples/watch_training.py, by file name."""
    curves = {}
    for file in sorted((HERE / "results").glob("watch_*.csv")):
        with file.open(encoding="utf-8", newline="") as handle:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(handle)]
        curves[file.stem.removeprefix("watch_")] = rows
    return curves


def main() -> None:
    """Draw, then write the page."""
    results = HERE / "results"
    benchmark = load_benchmark(results / "benchmark.json")
    told = json.loads((results / "training_speed.json").read_text())
    samples = json.loads((results / "samples.json").read_text())
    steps = read_steps()
    draw_members(benchmark, DOCS / "figures" / "leakage-members.svg")
    draw_epochs(benchmark, DOCS / "figures" / "leakage-epochs.svg")
    draw_samples(samples, DOCS / "figures" / "leakage-samples.svg")
    draw_steps(steps, DOCS / "figures" / "leakage-steps.svg")
    text = (HERE / "leakage.md").read_text(encoding="utf-8")
    nulls = [rate for rate in benchmark.nulls if not rate.world]
    text = text.format(
        table="\n".join(table(benchmark)),
        speed="\n".join(speed(told)),
        precision=told["auto_precision"],
        capability=told["cpu_capability"],
        nulls="; ".join(
            f"{rate.rejected} of {rate.of} set tests rejected at .05 (at most {rate.allowed} "
            "in 99 of 100 such tables)"
            for rate in nulls
        ),
    )
    (DOCS / "when-generators-leak.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
