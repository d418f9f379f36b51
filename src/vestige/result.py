"""What an audit says: plain dataclasses that become result.json and come back from it."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from vestige.choices import InputError
from vestige.decode import ADDED, decode
from vestige.files import write_together
from vestige.spreadsheet import cell, number

SCHEMA_VERSION = 1
FINDING_VERDICTS = ("used", "no evidence", "uncalibrated")
Role = Literal["query", "used"]
FindingVerdict = Literal["used", "no evidence", "uncalibrated"]
Relation = Literal["same patient used", "unrelated", ""]
ControlState = Literal["passed", "failed", "not possible", "not needed"]


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
class Evidence:
    """A generated image near a real one; similarity is a cosine, -1..1."""

    generated: str
    similarity: float


@dataclass(frozen=True)
class Share:
    """A column of evidence and its part, 0..1."""

    column: str
    share: float


@dataclass(frozen=True)
class Finding:
    """What is said of one real image. Score: higher = more likely used."""

    id: str
    group: str
    role: Role
    score: float
    p_value: float | None
    q_value: float | None
    verdict: FindingVerdict
    columns: dict[str, float]
    evidence: tuple[Evidence, ...] = ()
    carried_by: tuple[Share, ...] = ()
    """The columns that raise the score most, with their parts of what raises it."""
    relation: Relation = field(default="", metadata=ADDED)
    """Whether its patient has known used images; "" where no patient or no used image is known."""


@dataclass(frozen=True)
class PatientFinding:
    """What is said of one patient, from all his judged images together.

    images, called_used : judged images, and those of them with the verdict "used"
    p_value, q_value : of the patient, against unused patients; q is Benjamini-Hochberg
    """

    patient: str
    images: int
    called_used: int
    p_value: float | None
    q_value: float | None
    verdict: FindingVerdict
    relation: Relation = ""


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
    """The answer for the whole set: suspects against controls, by group."""

    suspects: Role
    auc: Estimate
    p_value: float
    minimum_detectable_auc: float
    tpr_at: tuple[Rate, ...] = ()
    detectors: tuple[DetectorTest, ...] = ()
    needed: tuple[Needed, ...] = field(default=(), metadata=ADDED)


@dataclass(frozen=True)
class Control:
    """An experiment in which the right answer is known; a failed one may veto the verdict.

    passed : whether `state` is "passed"
    vetoes : what it takes back, or why it did not run
    state : "not possible" with these images; "not needed" where no claim is made that it qualifies
    details : further figures by name, such as the recall of each kind of planted copy
    """

    name: str
    auc: Estimate | None
    p_value: float | None
    passed: bool
    vetoes: str
    state: ControlState = "passed"
    details: dict[str, Estimate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.passed or self.state == "passed":  # files of earlier versions know `passed` only
            object.__setattr__(self, "state", "passed" if self.passed else "failed")


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
    """Leakage against the number of released images, small parts first, each within the next.

    limit : the largest AUC that is accepted
    largest : the largest part before the first whose upper bound reaches the limit; None: no part
    """

    limit: float
    points: tuple[CurvePoint, ...]
    largest: int | None


@dataclass(frozen=True)
class Difference:
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
class Likeness:
    """Were two sets prepared alike?

    first, second : their roles
    p_value : None for generated against real images, which will differ
    separated_by : fields of which the two share no value
    differences : the most different statistics
    """

    first: str
    second: str
    stage: Literal["as stored", "prepared"]
    p_value: float | None
    passed: bool
    separated_by: tuple[str, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Tried:
    """How often the same question (generated and judged images) was asked, by the cache.

    runs_before : other runs, with other options or another seed; None: unknown, as no cache was
        given
    option_sets, columns : different ones over all runs, this one included
    p_adjusted : p of the set test, corrected for all runs: 1 - (1 - p)^runs; None: unknown
    smallest_before : the smallest p of the other runs in which no control failed
    """

    runs_before: int | None
    option_sets: int
    columns: int
    p_adjusted: float | None
    smallest_before: float | None


@dataclass(frozen=True)
class Verdict:
    """`leak` found / not found / undecided, a reason word, and one sentence."""

    leak: Literal["found", "not found", "undecided"]
    reason: Literal[
        "found",
        "nothing found",
        "confounded",
        "not specific",
        "insensitive",
        "uncalibrated",
        "underpowered",
        "repeated runs",
    ]
    why: str


@dataclass(frozen=True)
class Problem:
    """Something the user must know about one input file or about the whole audit."""

    path: str
    what: str
    severity: Literal["error", "warning"]


@dataclass(frozen=True)
class Question:
    """What was asked: mode, number of images per role, groups, false-alarm rate."""

    mode: Literal["release", "forensic"]
    counts: dict[str, int]
    groups: int
    groups_from: str
    false_alarm_rate: float


@dataclass(frozen=True)
class Manifest:
    """Everything needed to repeat the audit."""

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


@dataclass(frozen=True)
class Calibration:
    """Scores of the unused controls, in the unit of `Finding.score`; what p-values compare with."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class AuditResult:
    """The whole answer. `save` writes result.json, findings.csv and report.html."""

    question: Question
    findings: tuple[Finding, ...]
    set_test: SetTest | None
    controls: tuple[Control, ...]
    verdict: Verdict
    problems: tuple[Problem, ...]
    manifest: Manifest
    calibration: Calibration = Calibration((), (), ())
    set_measures: tuple[SetMeasure, ...] = ()
    patients: tuple[PatientFinding, ...] = field(default=(), metadata=ADDED)
    release_curve: ReleaseCurve | None = field(default=None, metadata=ADDED)
    conformity: tuple[Likeness, ...] = field(default=(), metadata=ADDED)
    tried: Tried | None = field(default=None, metadata=ADDED)
    thumbnails: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """PNG bytes by "real:<id>" or "generated:<id>", for the report only; never in JSON."""

    def to_json(self) -> str:
        """Serialise to the text of result.json (schema 1)."""
        plain: dict[str, Any] = {"schema": SCHEMA_VERSION}
        plain |= {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.compare}
        return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "AuditResult":
        """Read result.json; anything that is not one is an :class:`InputError`."""
        try:
            raw = json.loads(text, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            raise InputError(f"this is not a vestige result.json: {error!s:.200}") from error
        if not isinstance(raw, dict):
            raise InputError("this is not a vestige result.json: it holds no object")
        version = raw.pop("schema", None)
        if version is True or version != SCHEMA_VERSION:
            shown = (
                f"{version!r:.40}" if isinstance(version, int | str) else "missing or not a number"
            )
            raise InputError(
                f"result.json has schema {shown}, this version reads {SCHEMA_VERSION}. "
                "Use the vestige version that wrote it."
            )
        for name in ("set_measures", "conformity"):
            raw.setdefault(name, [])  # files of earlier versions hold none
        for control in raw["controls"] if isinstance(raw.get("controls"), list) else ():
            if isinstance(control, dict):
                control.setdefault("state", "passed")  # or what `passed` says
                control.setdefault("details", {})
        result: AuditResult = decode(cls, raw, "result")
        _check(result)
        return result

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "AuditResult":
        """Read a result.json file."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {os.fspath(path)}: {error}") from error
        return cls.from_json(text)

    def to_csv(self) -> str:
        """The text of findings.csv: one row per finding; safe to open in a spreadsheet."""
        columns = sorted({name for f in self.findings for name in f.columns})
        out = io.StringIO()
        writer = csv.writer(out)  # CRLF (RFC 4180), so that names with a CR are quoted too
        writer.writerow(
            ["id", "group", "role", "verdict", "score", "p_value", "q_value", *map(cell, columns)]
            + ["nearest_generated", "similarity", "carried_by", "relation"]
        )
        for f in self.findings:
            near = f.evidence[0] if f.evidence else None
            numbers = [f.score, f.p_value, f.q_value, *(f.columns.get(c) for c in columns)]
            writer.writerow(
                [cell(f.id), cell(f.group), f.role, f.verdict, *map(number, numbers)]
                + ([cell(near.generated), number(near.similarity)] if near else ["", ""])
                + [cell("; ".join(f"{part.column} {part.share:.2f}" for part in f.carried_by))]
                + [f.relation]
            )
        return out.getvalue()

    def to_frame(self) -> Any:
        """Findings as a pandas DataFrame (needs the extra ``table``)."""
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("to_frame needs pandas: pip install 'vestige[table]'") from error
        rows = [
            {k: v for k, v in asdict(f).items() if k not in ("columns", "evidence", "carried_by")}
            | f.columns
            for f in self.findings
        ]
        return pd.DataFrame(rows)

    def save(self, out: str | os.PathLike[str]) -> Path:
        """Write result.json, findings.csv and report.html; all or nothing.

        Returns
        -------
        Path
            The report.

        Raises
        ------
        InputError
            When `out` cannot be written.
        """
        from vestige.report import render_html  # the report imports this module

        texts = {
            "findings.csv": self.to_csv(),
            "report.html": render_html(self),
            "result.json": self.to_json(),  # last: its presence says that the rest is complete
        }
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        write_together({folder / name: text for name, text in texts.items()})
        return folder / "report.html"


def strongest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order of tables and galleries: verdict "used" first, then small p, high score, id."""

    def key(f: Finding) -> tuple[bool, float, float, str]:
        return f.verdict != "used", 2.0 if f.p_value is None else f.p_value, -f.score, f.id

    return tuple(sorted(findings, key=key))


def schema() -> dict[str, Any]:
    """The JSON Schema of result.json, as shipped."""
    text = resources.files("vestige").joinpath("result.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result must not hold NaN or infinity")
    return value


def _check(result: AuditResult) -> None:
    """Refuse what types cannot: shares outside 0..1, lists of unequal length."""
    shares = [("question.false_alarm_rate", result.question.false_alarm_rate)]
    for i, f in enumerate(result.findings):
        shares += [(f"findings[{i}]", p) for p in (f.p_value, f.q_value) if p is not None]
        shares += [(f"findings[{i}].carried_by", part.share) for part in f.carried_by]
    for patient in result.patients:
        own = (patient.p_value, patient.q_value)
        shares += [("patients", p) for p in own if p is not None]
    for c in result.controls:
        shares += [("controls", p) for p in (c.p_value,) if p is not None]
        shares += [("controls", v) for v in (_ends(c.auc) if c.auc else ())]
        shares += [("controls.details", v) for e in c.details.values() for v in _ends(e)]
    shares += [("set_measures", m.p_value) for m in result.set_measures if m.p_value is not None]
    if (tried := result.tried) is not None:
        asked = (tried.p_adjusted, tried.smallest_before)
        shares += [("tried", p) for p in asked if p is not None]
    if (curve := result.release_curve) is not None:
        shares += [("release_curve.limit", curve.limit)]
        for point in curve.points:
            shares += [("release_curve", v) for v in (*_ends(point.auc), point.p_value)]
    for one in result.conformity:
        told = [one.p_value, *(p for d in one.differences for p in (d.distance, d.p_adjusted))]
        shares += [("conformity", p) for p in told if p is not None]
    if (test := result.set_test) is not None:
        shares += [("set_test", v) for v in (test.p_value, test.minimum_detectable_auc)]
        shares += [("set_test", v) for v in _ends(test.auc)]
        shares += [("set_test.needed", need.auc) for need in test.needed]
        shares += [("set_test.tpr_at", v) for r in test.tpr_at for v in (*_ends(r), r.fpr)]
        for d in test.detectors:
            four = (d.auc, d.p_value, d.p_adjusted, d.weight)
            shares += [("set_test.detectors", v) for v in four]
    for where, share in shares:
        if not 0.0 <= share <= 1.0:
            raise InputError(f"result.{where} holds {share:g}, a share lies in 0..1.")
    known = result.calibration
    if len({len(known.ids), len(known.groups), len(known.scores)}) > 1:
        raise InputError("result.calibration: ids, groups and scores differ in length.")


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!s:.40} is not a finite number")
    return number
