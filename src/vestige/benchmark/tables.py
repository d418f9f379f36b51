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
        ranks_table(benchmark),
        *(intervals_table(benchmark, world.name) for world in benchmark.worlds),
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


@dataclass(frozen=True)
class Ranks:
    """The ranks of one row by its AUC on each world, 1 is the best; equal ones share their mean."""

    row: str
    label_free: bool
    ranks: tuple[float, ...]
    auc: float

    @property
    def mean(self) -> float:
        """Over worlds."""
        return fmean(self.ranks)


def ranks_of(benchmark: Benchmark) -> list[Ranks]:
    """All rows that were measured on every world, the best first; none of the controls."""
    rows = [row for row in benchmark.rows if row.kind != "control"]
    found = {
        row.name: [_auc(benchmark, world.name, row.name) for world in benchmark.worlds]
        for row in rows
    }
    whole = {
        name: [value for value in values if value is not None]
        for name, values in found.items()
        if None not in values
    }
    ranks: dict[str, list[float]] = {name: [] for name in whole}
    for k in range(len(benchmark.worlds)):
        column = {name: values[k] for name, values in whole.items()}
        for name, value in column.items():
            better = sum(other > value for other in column.values())
            equal = sum(other == value for other in column.values())
            ranks[name].append(better + (equal + 1) / 2)
    free = {row.name: row.label_free for row in rows}
    made = [Ranks(n, free[n], tuple(ranks[n]), fmean(whole[n])) for n in whole if ranks[n]]
    return sorted(made, key=lambda one: one.mean)


def ranks_table(benchmark: Benchmark) -> Table:
    """Mean rank of each row over worlds, where there are several of both."""
    found = ranks_of(benchmark)
    several = len(found) > 1 and len(benchmark.worlds) > 1
    return Table(
        "Ranks",
        f"Rank by AUC among the {len(found)} rows that were measured on all "
        f"{len(benchmark.worlds)} worlds; 1 is the best, equal ones share their mean rank.",
        ("row", "labels", "mean rank", "best", "worst", "mean AUC"),
        tuple(
            (
                Entry(one.row),
                Entry("no" if one.label_free else "yes"),
                Entry(f"{one.mean:.1f}", best=k == 0),
                *(Entry(f"{rank:g}") for rank in (min(one.ranks), max(one.ranks))),
                Entry(_three(one.auc), shade=_shade(one.auc)),
            )
            for k, one in enumerate(found if several else ())
        ),
    )


def releases(benchmark: Benchmark, world: str) -> dict[str, Release]:
    """Row -> what its first seed found on a world, the highest AUC first."""
    found = {
        row.name: cell.release
        for row in benchmark.rows
        for cell in benchmark.measured(world, row.name)[:1]
        if cell.release is not None
    }
    return dict(sorted(found.items(), key=lambda pair: -pair[1].auc.value))


def intervals_table(benchmark: Benchmark, world: str) -> Table:
    """The interval of each row on one world, where several were measured."""
    found = releases(benchmark, world)
    several = len(found.keys() - {row.name for row in benchmark.rows if row.kind == "control"}) > 1
    return Table(
        f"Intervals on {world}",
        "First seed; members against non-members. Smallest AUC: what the set test would have seen "
        "in four of five such audits.",
        ("row", "AUC [95 %]", "TPR at 5 %", "TPR at 1 %", "p", "smallest AUC"),
        tuple(
            (
                Entry(name),
                Entry(_interval(one.auc), shade=_shade(one.auc.value)),
                *map(Entry, (_percent(one.tpr_5), _percent(one.tpr_1), p_text(one.p_value))),
                Entry(_three(one.minimum_detectable_auc)),
            )
            for name, one in (found if several else {}).items()
        ),
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
