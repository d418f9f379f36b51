"""The records of an audit: plain frozen dataclasses, each a part of result.json."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vestige.schema.findings import Q_LEVEL as Q_LEVEL
from vestige.schema.findings import WORDS as WORDS
from vestige.schema.findings import Evidence as Evidence
from vestige.schema.findings import Finding as Finding
from vestige.schema.findings import FindingVerdict as FindingVerdict
from vestige.schema.findings import PatientFinding as PatientFinding
from vestige.schema.findings import Relation as Relation
from vestige.schema.findings import Role as Role
from vestige.schema.findings import Share as Share
from vestige.schema.findings import Word as Word

CheckState = Literal["passed", "failed", "not possible", "not needed"]
TakesBack = Literal["any", "finding", "none"]
LevelCode = Literal[
    "verbatim",
    "jpeg_75",
    "mirrored",
    "quarter_turn",
    "shift_10",
    "crop_80",
    "inverted",
    "gamma",
    "turn_3",
    "shift_2_px",
    "blend_70",
]
"""How far a planted copy is degraded (`vestige.checks.levels`)."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `n` is the number of images (or groups) behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Rate(Estimate):
    """True positive rate at a false positive rate `fpr`."""

    fpr: float


@dataclass(frozen=True)
class DetectorTest:
    """The set-level test of one column; `p_adjusted` pays for having looked at all (max-T).

    weight : what the column counts in the combination, 0..1
    """

    name: str
    auc: float
    p_value: float
    p_adjusted: float
    weight: float = 0.0


@dataclass(frozen=True)
class Needed:
    """Images (or groups, where these have several) on each side to see an AUC with 80 % power."""

    auc: float
    n: int
    unit: Literal["images", "groups"]


@dataclass(frozen=True)
class SetTest:
    """The answer for the whole set: candidates against calibration images, by group.

    carried_by : the statistic that stood out most: "mean" (all are closer), "tail" (a few stand
        out) or "stack" (the learned combination)
    minimum_detectable_share : of copied patients, seen with 80 % power
    """

    candidates: Role
    auc: Estimate
    p_value: float
    minimum_detectable_auc: float
    tpr_at: tuple[Rate, ...] = ()
    detectors: tuple[DetectorTest, ...] = ()
    needed: tuple[Needed, ...] = ()
    carried_by: Literal["mean", "tail", "stack"] = "mean"
    minimum_detectable_share: float = 1.0


@dataclass(frozen=True)
class PlantedLevel:
    """Planted copies of one degradation level: how many were seen.

    sources : unused images of which one copy each was put into the generated set
    found : those with p <= .05 by the combination of the quick detectors
    named : those of which the planted copy is named as a copy
    """

    level: LevelCode
    sources: int
    found: int
    named: int


@dataclass(frozen=True)
class Check:
    """An experiment in which the right answer is known; a failed one may veto the verdict.

    passed : whether `state` is "passed"
    vetoes : what it takes back, or why it did not run
    state : "not possible" with these images; "not needed" where no claim is made that it qualifies
    details : further figures by name, such as the recall of each kind of planted copy
    levels : of "planted": how many copies of each degradation level were seen
    question : what it asks, as the report prints it
    takes_back : its failure takes back "any" answer, a "finding" only, or "none" (the decision has
        a rule of its own for it)
    """

    name: str
    auc: Estimate | None
    p_value: float | None
    passed: bool
    vetoes: str
    state: CheckState = "passed"
    details: dict[str, Estimate] = field(default_factory=dict)
    levels: tuple[PlantedLevel, ...] = ()
    question: str = ""
    takes_back: TakesBack = "any"

    @property
    def spoils(self) -> bool:
        """Whether it failed and takes back a finding, so that no p-value holds."""
        return self.state == "failed" and self.takes_back != "none"

    def __post_init__(self) -> None:
        if self.passed or self.state == "passed":  # files of earlier versions know `passed` only
            object.__setattr__(self, "state", "passed" if self.passed else "failed")


def planted_levels(checks: Sequence[Check]) -> tuple[PlantedLevel, ...]:
    """Planted copies by degradation level, of the check that planted them."""
    return next((check.levels for check in checks if check.name == "planted"), ())


@dataclass(frozen=True)
class SetMeasure:
    """A published measure of the whole generated set, for information: no verdict rests on it.

    value : in the unit of its source; None when it cannot be taken, and `says` why
    p_value : one-sided by group permutation, small = more copying than chance
    """

    name: str
    value: float | None
    p_value: float | None
    says: str


@dataclass(frozen=True)
class CurvePoint:
    """What `n` of the generated images, drawn at random, would give away."""

    n: int
    auc: Estimate
    p_value: float


@dataclass(frozen=True)
class ReleaseCurve:
    """The leak against the number of released images, small parts first, each within the next.

    limit : the largest AUC that is accepted
    largest : the largest part before the first whose upper bound reaches the limit; None: no part
    """

    limit: float
    points: tuple[CurvePoint, ...]
    largest: int | None


@dataclass(frozen=True)
class PreparationDifference:
    """One statistic of how images were prepared, in two sets.

    first, second : median of each set, or its most frequent word
    distance : Kolmogorov-Smirnov, 0..1, each group counting once
    p_adjusted : pays for having looked at all statistics (max-T); None where a difference is
        expected
    cause : what such a difference usually comes from
    """

    statistic: str
    first: str
    second: str
    distance: float
    p_adjusted: float | None
    cause: str


@dataclass(frozen=True)
class PreparationComparison:
    """Were two sets prepared alike?

    first, second : their roles
    p_value : None for generated against real images, which will differ
    separated_by : fields of which the two share no value
    differences : the most different statistics
    few_patients : the differences may come from few patients (patients are guessed, and all files
        were saved in one way)
    """

    first: str
    second: str
    stage: Literal["as stored", "prepared"]
    p_value: float | None
    passed: bool
    separated_by: tuple[str, ...]
    differences: tuple[PreparationDifference, ...]
    few_patients: bool = False


@dataclass(frozen=True)
class RunHistory:
    """How often these target images, or some of them, were asked about beside this generated set.

    By the cache.

    runs_before : other runs, with other options, another seed, or further images; None: unknown, as
        no cache was given
    option_sets, columns : different ones over all runs, this one included
    p_adjusted : p of the set test, corrected for all runs: 1 - (1 - p)^runs; None: unknown
    smallest_before : the smallest p of the other runs in which no check failed and that were no
        selection themselves
    part_of : target images of the largest earlier run that also asked about images missing here, so
        that these may have been chosen by its answer; 0: there is none
    """

    runs_before: int | None
    option_sets: int
    columns: int
    p_adjusted: float | None
    smallest_before: float | None
    part_of: int = 0


@dataclass(frozen=True)
class Problem:
    """Something the user must know about one input file or about the whole audit."""

    path: str
    what: str
    severity: Literal["error", "warning"]


@dataclass(frozen=True)
class Question:
    """What was asked: mode, number of images per role, groups, false-alarm rate.

    patient_ids : whether patients are known; else near-duplicates count as one group
    max_auc : the AUC that the upper bound must stay below for the gate to open
    """

    mode: Literal["release", "forensic"]
    counts: dict[str, int]
    groups: int
    groups_from: str
    false_alarm_rate: float
    patient_ids: bool = True
    max_auc: float = 0.65


@dataclass(frozen=True)
class Manifest:
    """Everything needed to repeat the audit.

    kind : what the images were compared as; files of earlier versions know grey images only
    question_sha256 : of what was asked (`vestige.auditing.question`); "" in a redacted result
    config_sha256 : of the file that held the question, "" without one (`--config`)
    overruled : options of that file for which the command line gave another value
    """

    vestige: str
    python: str
    dependencies: dict[str, str]
    seed: int
    options: dict[str, Any]
    inputs_sha256: dict[str, str]
    weights_sha256: dict[str, str]
    started: str
    seconds: dict[str, float]
    peak_rss_bytes: int
    kind: Literal["grey", "colour", "volume"] = "grey"
    question_sha256: str = ""
    config_sha256: str = ""
    overruled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """Scores of the calibration images, in the unit of `Finding.score`."""

    ids: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
