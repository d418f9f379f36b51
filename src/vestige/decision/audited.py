"""What an audit says: one record, which becomes result.json and comes back from it."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from importlib import resources
from typing import Any, Self

from vestige.decision import Decision, decide
from vestige.decision.records import (
    Bounds,
    Chance,
    Copy,
    CopySearch,
    Epsilon,
    Unlike,
    Unread,
)
from vestige.decision.records import Evidence as DecisionEvidence
from vestige.files.strict_json import parse_json
from vestige.registry.entries import InputError
from vestige.schema.decode import decode
from vestige.schema.records import (
    Q_LEVEL,
    WORDS,
    Calibration,
    Check,
    Estimate,
    Finding,
    Manifest,
    PatientFinding,
    PlantedLevel,
    PreparationComparison,
    Problem,
    Question,
    ReleaseCurve,
    RunHistory,
    SetMeasure,
    SetTest,
    planted_levels,
)

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Audited:
    """All that an audit found, and the decision that follows from it; as JSON and back."""

    question: Question
    findings: tuple[Finding, ...]
    set_test: SetTest | None
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    manifest: Manifest
    calibration: Calibration = field(default_factory=Calibration)
    set_measures: tuple[SetMeasure, ...] = ()
    patients: tuple[PatientFinding, ...] = ()
    release_curve: ReleaseCurve | None = None
    preparation: tuple[PreparationComparison, ...] = ()
    run_history: RunHistory | None = None
    copies: tuple[Copy, ...] = ()
    copy_search: CopySearch | None = None
    unread: tuple[Unread, ...] = ()
    unlike: Unlike | None = None
    chance: Chance | None = None
    bounds: Bounds | None = None
    epsilon: Epsilon | None = None
    decision: Decision = field(init=False)
    """Made of the evidence above by `vestige.decision.decide`; it cannot be anything else."""
    thumbnails: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """PNG or JPEG bytes, for the report only; never in JSON (`vestige.copies.pictures`)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "decision", decide(self.evidence))

    @property
    def levels(self) -> tuple[PlantedLevel, ...]:
        """Planted copies, by degradation level."""
        return planted_levels(self.checks)

    @property
    def evidence(self) -> DecisionEvidence:
        """What the decision rests on."""
        asked = self.question
        return DecisionEvidence(
            mode=asked.mode,
            false_alarm_rate=asked.false_alarm_rate,
            max_auc=asked.max_auc,
            patient_ids=asked.patient_ids,
            generated=asked.counts.get("generated", 0),
            targets=len({f.group for f in self.findings}),
            unused_groups=len(set(self.calibration.groups)),
            copies=self.copies,
            unread=self.unread,
            unlike=self.unlike,
            checks=self.checks,
            test=self.set_test,
            run_history=self.run_history,
            chance=self.chance,
            named_patients=len(named_groups(self.findings, self.patients)),
            levels=self.levels,
            bounds=self.bounds,
            joined=0.0 if asked.patient_ids else _joined(asked),
            kind=self.manifest.kind,
        )

    def to_json(self) -> str:
        """Serialise to the text of result.json (schema 2)."""
        made: dict[str, Any] = {"schema": SCHEMA_VERSION}
        made |= {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.compare}
        return json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read result.json; anything that is not one is an :class:`InputError`."""
        try:
            raw = parse_json(text)
        except ValueError as error:
            raise InputError(f"this is not a vestige result.json: {error!s:.200}") from error
        if not isinstance(raw, dict):
            raise InputError("this is not a vestige result.json: it holds no record")
        version = raw.pop("schema", None)
        if version is True or version != SCHEMA_VERSION:
            raise InputError(_other_schema(version))
        told = decode(Decision, raw.pop("decision", None), "result.decision")
        result: Self = decode(cls, raw, "result")
        _check(result)
        if told != result.decision:
            raise InputError(
                "the decision in this result.json is not the one that its evidence gives: the file "
                "was changed by hand, or written by another version. Audit again."
            )
        return result


def strongest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order of tables and galleries: the word (copies first), then small q, small p, high score."""

    def key(f: Finding) -> tuple[int, float, float, float, str]:
        q, p = (2.0 if value is None else value for value in (f.q_value, f.p_value))
        return WORDS.index(f.word), q, p, -f.score, f.id

    return tuple(sorted(findings, key=key))


def named_groups(findings: Iterable[Finding], patients: Iterable[PatientFinding]) -> frozenset[str]:
    """Patients (groups, where no patient is known) that can be named: q at most `Q_LEVEL`."""
    rows = [(p.patient, p.q_value) for p in patients] or [(f.group, f.q_value) for f in findings]
    return frozenset(name for name, q in rows if q is not None and q <= Q_LEVEL)


def _other_schema(version: Any) -> str:
    """Why a file of another schema is not read, and how to make it again."""
    if version == 1 and version is not True:
        return (
            "this result.json was written by vestige 0.1 (schema 1), which did not look for "
            "copies: audit the same folders again with this version."
        )
    shown = f"{version!r:.40}" if isinstance(version, int | str) else "missing or not a number"
    return (
        f"result.json has schema {shown}, this version reads {SCHEMA_VERSION}. "
        "Use the vestige version that wrote it, or audit again."
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of result.json, as shipped."""
    text = (
        resources.files("vestige.schema").joinpath("result.schema.json").read_text(encoding="utf-8")
    )
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def plain(value: Any) -> Any:
    """A record as JSON holds it; refuses what JSON has no word for."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result must not hold NaN or infinity")
    return value


def _joined(asked: Question) -> float:
    """Share of the real images that are not the first of their group."""
    images = sum(asked.counts.get(role, 0) for role in ("query", "used", "unused"))
    return 1 - asked.groups / images if images > asked.groups else 0.0


def _check(result: Audited) -> None:
    """Refuse what types cannot: shares outside 0..1, lists of unequal length."""
    shares = [("question.false_alarm_rate", result.question.false_alarm_rate)]
    for i, f in enumerate(result.findings):
        shares += [(f"findings[{i}]", p) for p in (f.p_value, f.q_value) if p is not None]
        shares += [(f"findings[{i}].carried_by", part.share) for part in f.carried_by]
    for patient in result.patients:
        own = (patient.p_value, patient.q_value)
        shares += [("patients", p) for p in own if p is not None]
    for c in result.checks:
        shares += [("checks", p) for p in (c.p_value,) if p is not None]
        shares += [("checks", v) for v in (_ends(c.auc) if c.auc else ())]
        shares += [("checks.details", v) for e in c.details.values() for v in _ends(e)]
    shares += [("set_measures", m.p_value) for m in result.set_measures if m.p_value is not None]
    if (run_history := result.run_history) is not None:
        asked = (run_history.p_adjusted, run_history.smallest_before)
        shares += [("run_history", p) for p in asked if p is not None]
    if (curve := result.release_curve) is not None:
        shares += [("release_curve.limit", curve.limit)]
        for point in curve.points:
            shares += [("release_curve", v) for v in (*_ends(point.auc), point.p_value)]
    for one in result.preparation:
        told = [one.p_value, *(p for d in one.differences for p in (d.distance, d.p_adjusted))]
        shares += [("preparation", p) for p in told if p is not None]
    if (test := result.set_test) is not None:
        shares += [("set_test", v) for v in (test.p_value, test.minimum_detectable_auc)]
        shares += [("set_test", test.minimum_detectable_share)]
        shares += [("set_test", v) for v in _ends(test.auc)]
        shares += [("set_test.needed", need.auc) for need in test.needed]
        shares += [("set_test.tpr_at", v) for r in test.tpr_at for v in (*_ends(r), r.fpr)]
        for d in test.detectors:
            four = (d.auc, d.p_value, d.p_adjusted, d.weight)
            shares += [("set_test.detectors", v) for v in four]
    if (bounds := result.bounds) is not None:
        shares += [("bounds", v) for v in (bounds.auc_upper, bounds.exposed_share)]
        shares += [("bounds.copied_shares", one.share) for one in bounds.copied_shares]
    shares += [("unread", u.p_value) for u in result.unread if u.p_value is not None]
    if result.unlike is not None:
        shares += [("unlike.distance", result.unlike.distance)]
    shares += [("question.max_auc", result.question.max_auc)]
    if result.manifest.seed < 0:
        raise InputError(f"result.manifest.seed is {result.manifest.seed}; a seed is 0 or more.")
    for where, share in shares:
        if not 0.0 <= share <= 1.0:
            raise InputError(f"result.{where} holds {share:g}, a share lies in 0..1.")
    known = result.calibration
    if len({len(known.ids), len(known.groups), len(known.scores)}) > 1:
        raise InputError("result.calibration: ids, groups and scores differ in length.")


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
