"""One cell of the benchmark: a world, a row (what is measured), a seed; two audits, a few numbers.

The reals of a world and their truth travel as one .npz, so that its files are decoded once. An
array is audited exactly as the folder it was read from.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal

import numpy as np

from vestige.auditing.audit import run_audit
from vestige.auditing.options import AuditOptions
from vestige.benchmark.arrays import (
    Rows,
    WorldArrays,
    forensic_rows,
    null_rows,
    release_rows,
)
from vestige.decision.decide import is_found, vetoing
from vestige.detectors import AUTO
from vestige.judging.cohort import TARGET_ROLE, Cohort, Mode
from vestige.judging.judge import judge, test_set
from vestige.registry.entries import InputError
from vestige.schema.records import Check, Estimate, Rate, SetTest
from vestige.scoring.plan import Column
from vestige.stats.agreement import agreement
from vestige.stats.calibration import smallest_p_value
from vestige.stats.intervals import auc_interval
from vestige.stats.roc import roc_on
from vestige.types import Bools, Detector, Floats

RATE = 0.05
LARGEST_UNSEEN = 0.9
DEFAULT, UNLABELLED, RANDOM = AUTO, "auto_unlabelled", "random"
TPR_AT = (0.05, 0.01)
ROC_POINTS = 40


@dataclass(frozen=True)
class Release:
    """Are the members visible in the generated set?

    Known members are labels, from which `auto` learns across folds of patients; the row
    `auto_unlabelled` asks the same of images of unknown status, as do single detectors.

    tpr_5, tpr_1 : at false positive rates .05 and .01, None with fewer than 20 or 100 non-members
    false_alarm_rate : .05, or the smallest that so few groups of non-members allow
    roc : (false, true) positive rate at rates that rise evenly on a log scale, from 1 / non-members
        to 1; of the scores of all folds together
    """

    auc: Estimate
    tpr_5: Rate | None
    tpr_1: Rate | None
    p_value: float
    minimum_detectable_auc: float
    leak: Literal["found", "not found", "undecided"]
    reason: str
    false_alarm_rate: float
    roc: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Forensic:
    """Which of the queries were used? Asked with the labels of used/ and unused/.

    auc : of the scores; kappa, false_alarms : of the images that stand out at `false_alarm_rate`
    (copies among them), None when a failed check vetoed them; false_alarms : share of the unused
    queries that stand out
    """

    queries: int
    auc: Estimate
    kappa: Estimate | None
    false_alarms: Estimate | None
    false_alarm_rate: float


@dataclass(frozen=True)
class Blind:
    """The blind check: do members differ from non-members without the generated set?"""

    auc: Estimate
    p_value: float
    passed: bool


@dataclass(frozen=True)
class Cell:
    """What was measured; `error` says why not.

    null : only non-members were audited, some of them named members by lot: nothing is there
    seconds : wall time of the audits, side by side with other cells
    peak_rss_bytes : of the process that measured it, earlier cells included; 0 without an audit
    """

    world: str
    row: str
    null: bool
    seed: int
    release: Release | None = None
    forensic: Forensic | None = None
    blind: Blind | None = None
    seconds: float = 0.0
    peak_rss_bytes: int = 0
    error: str = ""


@dataclass(frozen=True)
class Task:
    """A cell to be measured, from the world kept in the file `arrays`.

    options : detector -> its options
    detector : of a row that is an object; None: the row is a name
    """

    arrays: str
    world: str
    digest: str
    row: str
    null: bool
    seed: int
    options: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    detector: Detector | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Answer:
    """What the cell needs of one audit; scores and called in the order of the target rows.

    calibration : scores of the calibration images
    """

    test: SetTest
    leak: Literal["found", "not found", "undecided"]
    reason: str
    rate: float
    scores: Floats
    calibration: Floats
    called: Bools | None
    blind: Check | None
    peak_rss_bytes: int


def measure(task: Task) -> Cell:
    """Measure one cell.

    Raises
    ------
    InputError
        When the world does not suffice for it.
    """
    world = WorldArrays.load(task.arrays)
    start = perf_counter()
    rows = null_rows(world, task.digest, task.seed) if task.null else release_rows(world)
    answer = _ask(world, rows, task)
    release, peak, forensic = _release(answer), answer.peak_rss_bytes, None
    queries = forensic_rows(world)
    if not task.null and queries:
        said = _ask(world, queries, task)
        forensic, peak = _forensic(world, queries, said), max(peak, said.peak_rss_bytes)
    blind = answer.blind
    return Cell(
        task.world,
        task.row,
        task.null,
        task.seed,
        release,
        forensic,
        Blind(blind.auc, blind.p_value, blind.passed)
        if blind and blind.auc is not None and blind.p_value is not None
        else None,
        round(perf_counter() - start, 3),
        peak,
    )


def _ask(world: WorldArrays, rows: Rows, task: Task) -> Answer:
    if "unused" not in rows:
        raise InputError("this world has no unused images: nothing can calibrate an audit.")
    unused = len(np.unique(world.groups[rows["unused"]]))
    rate = max(RATE, smallest_p_value(unused))
    if task.row == RANDOM:
        return _random_answer(world, rows, rate, task)
    if task.row == UNLABELLED:
        rows = _without_labels(rows)
    alone = [] if task.row in (DEFAULT, UNLABELLED) else [task.row]
    with TemporaryDirectory() as folder:
        table = Path(folder) / "groups.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "group"])
            for role, index in rows.items():
                named = enumerate(world.groups[index])
                writer.writerows([f"{role}/{k:06d}", f"group{group}"] for k, group in named)
        sources = {role: world.reals[index] for role, index in rows.items()}
        options = AuditOptions(
            groups=table,
            detectors=(alone or None) if task.detector is None else [task.detector],
            options={name: task.options[name] for name in alone if name in task.options},
            false_alarm_rate=rate,
            engine="local:1",
            checks=False,  # the truth is known: half the cost
            seed=task.seed,
            # the world's record says what its images are
            colour="rgb" if world.kind == "colour" else "grey",
            dimensions="3d" if world.kind == "volume" else "2d",
        )
        result = run_audit({"generated": world.generated, **sources}, options)
    if result.set_test is None:
        raise InputError(f"the audit gave no test. {result.decision.text}")
    calibrated = all(finding.verdict != "uncalibrated" for finding in result.findings)
    return Answer(
        result.set_test,
        *_of_the_set(result.set_test, result.checks, rate),
        rate,
        np.array([finding.score for finding in result.findings]),
        np.array(result.calibration.scores),
        np.array([finding.called for finding in result.findings]) if calibrated else None,
        next((check for check in result.checks if check.name == "blind"), None),
        result.manifest.peak_rss_bytes,
    )


def _without_labels(rows: Rows) -> Rows:
    """The same question of images whose status nobody told."""
    if "query" in rows:
        return {role: index for role, index in rows.items() if role != "used"}
    return {{"used": "query"}.get(role, role): index for role, index in rows.items()}


def _random_answer(world: WorldArrays, rows: Rows, rate: float, task: Task) -> Answer:
    """Scores by lot through the statistics of an audit: what a detector that sees nothing gets."""
    mode: Mode = "forensic" if "query" in rows else "release"
    rows = {role: rows[role] for role in ("query", "used", "unused") if role in rows}
    roles = np.concatenate([np.full(len(index), role) for role, index in rows.items()])
    index = np.concatenate(list(rows.values()))
    cohort = Cohort(
        images=np.empty((len(index), 0, 0), np.float32),
        ids=tuple(map(str, index)),
        index=index,
        roles=roles,
        groups=world.groups[index],
        targets=roles == TARGET_ROLE[mode],
        calibration=roles == "unused",
        known_used=roles == "used",
        resolved={},
    )
    plan = (Column(RANDOM, RANDOM, {}, 1.0, pool=False),)
    lot = np.random.default_rng([task.seed, len(mode), int(task.digest[:12], 16)])
    scores = lot.standard_normal((len(index), 1))
    judgement = judge(scores, plan, cohort, cohort.targets)
    test = test_set(scores, plan, cohort, cohort.targets, judgement, mode, rate, task.seed)
    if test is None or judgement.p_values is None:
        raise AssertionError("unused images calibrate")
    said = _of_the_set(test, (), rate)
    mine, others = judgement.scores, judgement.calibration_scores
    return Answer(test, *said, rate, mine, others, judgement.p_values <= rate, None, 0)


def _of_the_set(
    test: SetTest, checks: Sequence[Check], rate: float
) -> tuple[Literal["found", "not found", "undecided"], str]:
    """What the set test alone says, and why: a benchmark compares detectors, not decisions."""
    found = is_found(test, None, rate)
    if vetoing(checks, found):
        return "undecided", "confounded"
    if found:
        return "found", "found"
    if test.minimum_detectable_auc > LARGEST_UNSEEN:
        return "undecided", "underpowered"
    return "not found", "nothing found"


def _release(answer: Answer) -> Release:
    test = answer.test
    rates = {rate.fpr: rate for rate in test.tpr_at}
    tpr_5, tpr_1 = (rates.get(fpr) for fpr in TPR_AT)
    return Release(
        test.auc,
        tpr_5,
        tpr_1,
        test.p_value,
        test.minimum_detectable_auc,
        answer.leak,
        answer.reason,
        answer.rate,
        _roc(answer),
    )


def _roc(answer: Answer) -> tuple[tuple[float, float], ...]:
    fpr = np.geomspace(1 / len(answer.calibration), 1, ROC_POINTS)
    tpr = roc_on(answer.scores, answer.calibration, fpr)
    return tuple((round(float(x), 6), round(float(y), 6)) for x, y in zip(fpr, tpr, strict=True))


def _forensic(world: WorldArrays, rows: Rows, answer: Answer) -> Forensic:
    query = rows["query"]
    used, groups, scores = world.used[query], world.groups[query], answer.scores
    kappa = false_alarms = None
    if answer.called is not None:
        found = agreement(answer.called, used, groups)
        kappa = found.kappa
        if (right := found.specificity) is not None:
            limits = 1 - right.high, 1 - right.low
            false_alarms = Estimate(1 - right.value, *limits, int((~used).sum()))
    auc = auc_interval(scores[used], scores[~used], groups[used], groups[~used])
    return Forensic(len(query), auc, kappa, false_alarms, answer.rate)
