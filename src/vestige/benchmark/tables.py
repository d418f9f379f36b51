"""The tables of a benchmark, made from what benchmark.json holds and from nothing else."""

from dataclasses import dataclass, replace
from statistics import fmean

from vestige.benchmark.cells import DEFAULT, RATE, Release
from vestige.benchmark.result import BLIND, Benchmark, BenchmarkWorld, NullRate
from vestige.files.places import told_place
from vestige.report.words import p_text
from vestige.schema.records import Estimate

NONE = "-"
SHADES = (0.55, 0.65, 0.75, 0.85, 0.95)
"""An AUC gets as many steps of shade as it reaches of these."""


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table; `shade` 0..5 colours an AUC, -1: well below chance."""

    text: str
    best: bool = False
    shade: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows of entries under headings; the first column names the row."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    upright: bool = False
    """Headings are names, set upright in HTML so that many columns fit."""


MOST_COLUMNS = 12
"""Columns of an upright table beside its first one."""


def in_parts(table: Table) -> tuple[Table, ...]:
    """An upright table with many columns as several, so that none is cut off."""
    count = len(table.head) - 1
    if not table.upright or count <= MOST_COLUMNS:
        return (table,)
    parts = -(-count // MOST_COLUMNS)
    size = -(-count // parts)
    starts = range(1, count + 1, size)
    return tuple(
        replace(
            table,
            title=f"{table.title} (part {number} of {parts})",
            note=table.note if number == 1 else "",
            head=(table.head[0], *table.head[start : start + size]),
            rows=tuple((row[0], *row[start : start + size]) for row in table.rows),
        )
        for number, start in enumerate(starts, start=1)
    )


def tables(benchmark: Benchmark) -> tuple[Table, ...]:
    """All tables that have something to show."""
    made = (
        worlds_table(benchmark),
        auc_table(benchmark),
        null_table(benchmark),
        error_table(benchmark),
    )
    return tuple(table for table in made if table.rows)


def worlds_table(benchmark: Benchmark) -> Table:
    """One row per world: what it is, and what the default run says of it."""
    head = (
        *("world", "generator", "settings", "members", "px", "samples", "s / 1,000 steps"),
        *("images / s", "AUC [95 %]", "TPR at 5 %", "TPR at 1 %", "p", "leak", "kappa [95 %]", "s"),
    )
    return Table(
        "Worlds",
        "`auto`, the default run. AUC, TPR, p and verdict: members against non-members, "
        "cross-fitted by patient. Kappa: verdicts on the queries at a false-alarm rate of "
        f"{RATE:g}, with the labels of used and unused (another rate stands beside it, where so "
        "few groups allow no smaller one). Times: training per 1,000 steps, images sampled per "
        f"second; s: both audits, {benchmark.options.get('workers', '?')} cells side by side.",
        head,
        tuple(_world_row(benchmark, world) for world in benchmark.worlds),
    )


def auc_table(benchmark: Benchmark) -> Table:
    """AUC of every row on every world; the best without labels is marked."""
    shown: dict[str, list[float | None]] = {}
    for row in benchmark.rows:
        shown[row.name] = [_auc(benchmark, world.name, row.name) for world in benchmark.worlds]
    rivals = [row.name for row in benchmark.rows if row.label_free and row.kind != "control"]
    best = [
        max((_three(shown[name][k]) for name in rivals if shown[name][k] is not None), default="")
        for k in range(len(benchmark.worlds))
    ]
    return Table(
        "AUC, members against non-members",
        "One column per world. Bold: the best without labels. random: scores by lot. blind: the "
        "simple image statistic that separates most, turned so that members are high, without "
        "the generated set; where its p-value is below .01 (marked !) the sets differ by "
        "themselves. Means over seeds.",
        ("row", *(world.name for world in benchmark.worlds)),
        tuple(
            (
                Entry(name),
                *(
                    _auc_entry(
                        value,
                        best=name in rivals and _three(value) == best[k],
                        vetoed=name == BLIND and _vetoed(benchmark, benchmark.worlds[k].name),
                    )
                    for k, value in enumerate(values)
                ),
            )
            for name, values in shown.items()
        ),
        upright=True,
    )


def null_table(benchmark: Benchmark) -> Table:
    """How often the set test rejects where nothing is there."""
    return Table(
        "Nothing is there",
        "Non-members alone, some of them called members by lot, group by group; an honest test "
        "rejects in at most 5 % of such audits. Allowed: more has a probability of at most 1 %.",
        ("world", "row", "rejects (p ≤ .05)", "as it should be"),
        tuple(
            (
                Entry(rate.world or "all worlds"),
                Entry(rate.row),
                Entry(rejections(rate)),
                Entry("yes" if rate.rejected <= rate.allowed else "NO"),
            )
            for rate in benchmark.nulls
        ),
    )


def error_table(benchmark: Benchmark) -> Table:
    """The cells that could not be measured, and why."""
    return Table(
        "Not measured",
        "The same command tries these cells again.",
        ("world", "row", "seed", "why"),
        tuple(
            (
                Entry(cell.world),
                Entry(cell.row + (" (null)" if cell.null else "")),
                Entry(str(cell.seed)),
                Entry(cell.error),
            )
            for cell in benchmark.errors
        ),
    )


def rejections(rate: NullRate) -> str:
    """A null rate in words."""
    return f"{rate.rejected} of {rate.of} (allowed: ≤ {rate.allowed})"


def _world_row(benchmark: Benchmark, world: BenchmarkWorld) -> tuple[Entry, ...]:
    cells = benchmark.measured(world.name, DEFAULT)
    release = cells[0].release if cells else None
    forensic = cells[0].forensic if cells else None
    kappa = NONE
    if forensic and forensic.kappa:
        kappa = _interval(forensic.kappa)
        if forensic.false_alarm_rate > RATE:
            kappa += f" at {forensic.false_alarm_rate:.2g}"
    described = (
        *(world.name, world.recipe.generator, _settings(world)),
        *(_count(world.counts.get("members")), str(world.recipe.size)),
        _count(world.counts.get("generated")),
        _figure(world, "seconds_per_1000_steps"),
        _figure(world, "samples_per_second"),
    )
    answers = (
        _percent(release.tpr_5) if release else NONE,
        _percent(release.tpr_1) if release else NONE,
        p_text(release.p_value) if release else NONE,
        _leak(release) if release else NONE,
        kappa,
        f"{cells[0].seconds:.1f}" if cells else NONE,
    )
    auc = Entry(NONE)
    if release:
        auc = Entry(_interval(release.auc), shade=_shade(release.auc.value))
    return (*map(Entry, described), auc, *map(Entry, answers))


def _settings(world: BenchmarkWorld) -> str:
    """Options as given, and the steps that were trained where no option says it."""
    told = dict(world.recipe.options)
    if isinstance(steps := world.figures.get("steps"), int | float):
        told.setdefault("steps", f"{steps:g}")
    return ", ".join(f"{name}={told_place(value)}" for name, value in told.items()) or NONE


def _figure(world: BenchmarkWorld, name: str) -> str:
    value = world.figures.get(name)
    if not isinstance(value, int | float):
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _leak(release: Release) -> str:
    known = {"found": "found", "nothing found": "not found"}
    return known.get(release.reason, f"{release.leak} ({release.reason})")


def _auc(benchmark: Benchmark, world: str, row: str) -> float | None:
    if row == BLIND:
        blind = benchmark.blind(world)
        return blind.auc.value if blind else None
    values = [cell.release.auc.value for cell in benchmark.measured(world, row) if cell.release]
    return fmean(values) if values else None


def _vetoed(benchmark: Benchmark, world: str) -> bool:
    blind = benchmark.blind(world)
    return blind is not None and not blind.passed


def _auc_entry(value: float | None, best: bool, vetoed: bool) -> Entry:
    if value is None:
        return Entry(NONE)
    return Entry(_three(value) + (" !" if vetoed else ""), best, _shade(value))


def _three(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _shade(auc: float) -> int:
    return -1 if auc < 1 - SHADES[0] else sum(auc >= step for step in SHADES)


def _interval(found: Estimate) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _percent(rate: Estimate | None) -> str:
    return NONE if rate is None else f"{100 * rate.value:.1f} %"
