"""The ImageCLEFmedical GANs challenge: hand in a run, score a run.

One record keeps an id and its decision together; two lists are never zipped.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vestige.imageclef.runfile import (
    FORMATS,
    RunFormat,
    bare_name,
    read_run,
    refuse_collisions,
    validate_run,
)
from vestige.images.names import natural_key
from vestige.images.patient_ids import folded
from vestige.images.tables import written
from vestige.images.told_groups import compile_groups, find_groups, read_group_table
from vestige.registry.entries import InputError, create
from vestige.result import AuditResult
from vestige.schema.records import Estimate, Finding
from vestige.stats.agreement import (
    Baselines,
    agreement,
    constant_baselines,
    p_adjusted_for_runs,
    p_against_guessing,
)
from vestige.stats.groups import Labels, some_names
from vestige.stats.intervals import auc_interval
from vestige.stats.permutation import set_test
from vestige.types import Bools, Floats

__all__ = [
    "FORMATS",
    "Baselines",
    "RunFormat",
    "ScoreCard",
    "export_run",
    "group_truth",
    "natural_key",
    "read_run",
    "score_run",
    "top_half",
    "validate_run",
]


@dataclass(frozen=True)
class ScoreCard:
    """A run against the truth.

    `auc_from` "scores": the run held more than two values and ranks the images. "decisions": it
    held only 0 and 1, and the AUC is then the balanced accuracy, no more. `decided_by` "top half":
    the run held scores, and the upper half of them counts as "used" (no threshold is tuned on the
    truth). `patients` None: images are taken as independent, and `p_value` is against guessing.
    Else intervals draw whole patients, and `p_value` exchanges the truth between whole patients.
    `p_adjusted` pays for the number of runs tried. Measures are None where they are undefined.
    """

    n: int
    kappa: Estimate | None
    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    specificity: Estimate | None
    f1: Estimate | None
    auc: Estimate
    auc_from: Literal["scores", "decisions"]
    decided_by: Literal["run", "top half"]
    baselines: Baselines
    p_value: float
    p_adjusted: float
    runs: int
    patients: int | None = None


By = Literal["stands out", "top half", "named"]
"""Which images of a run count as used."""


def export_run(
    result: AuditResult,
    format: str = "imageclef2025",
    header: bool | None = None,
    by: By = "stands out",
) -> str:
    """The text of run.csv for the query images of an audit, in natural order, checked.

    Parameters
    ----------
    result : AuditResult
        Only findings with role "query" are written.
    format : str
        A key of :data:`FORMATS`.
    header : bool, optional
        Write the header; default no. imageclef2023 has none.
    by : "stands out", "top half" or "named"
        Which images count as used, copies and images that are known to be used always among them.
        "stands out": p at most the asked false-alarm rate. "named": the patient has q <= .10;
        images without a calibrated verdict (`without_verdict`) count as not used.
        "top half": the upper half of the scores (the smaller half of an odd number), for a test
        that is known to hold as many used as unused images; equal scores at the line are taken in
        natural order of the ids: arbitrary, but the same on every machine.

    Raises
    ------
    InputError
        Without queries, with uncalibrated findings if `by` is "stands out", with names that
        collide once folder or extension are gone, or names that the format cannot hold.
    """
    rules = create(FORMATS, format, "format")
    if header and rules.header is None:
        raise InputError(f"{rules.name} takes no header: its validator refuses it. Leave it out.")
    findings = [f for f in result.findings if f.role == "query"]
    if not findings:
        raise InputError("this result holds no query images. Run the audit with --query.")
    if by == "top half":
        facts = {f.id for f in findings if f.word in ("copy", "known used")}
        rest = {f.id: f.score for f in findings if f.id not in facts}
        chosen = facts | top_half(rest, len(findings) // 2 - len(facts))
    else:
        uncalibrated = without_verdict(findings)
        if uncalibrated and by == "stands out":
            raise InputError(
                f"{uncalibrated} of {len(findings)} query images have no calibrated verdict: "
                f"{_why_uncalibrated(result)}. Use --named to call only copies used, or "
                "--top-half if half of them were used."
            )
        chosen = {
            f.id for f in findings if (f.called if by == "stands out" else f.verdict == "used")
        }
    ids = sorted((f.id for f in findings), key=natural_key)
    refuse_collisions(ids, rules.row_name, f"{rules.name} names")
    lines = [rules.header] if header and rules.header else []
    lines += [f"{rules.row_name(i)},{int(i in chosen)}" for i in ids]
    text = "\n".join(lines) + "\n"
    faults = validate_run(text, ids, format)
    if faults:
        raise InputError(
            f"{rules.name} cannot hold this run: {some_names(faults, 10)}. Rename the files."
        )
    return text


def _why_uncalibrated(result: AuditResult) -> str:
    facts = result.decision.facts
    if facts.part_of:
        return "they are a part of the images of an earlier audit, and no p-value of a part holds"
    if facts.checks:
        return f"a validity check failed ({', '.join(facts.checks)})"
    return "there are no unused images"


def without_verdict(findings: Sequence[Finding]) -> int:
    """Queries of which no p-value may be told: nothing calibrates them, or a check failed."""
    return sum(f.role == "query" and f.verdict == "uncalibrated" for f in findings)


def top_half(scores: Mapping[str, float], n: int | None = None) -> set[str]:
    """Ids with the n highest scores, by default half of them (the smaller half of an odd number).

    Ties at the line go by natural order of the ids.
    """
    ranked = sorted(scores, key=lambda i: (-scores[i], natural_key(i)))
    return set(ranked[: max(len(ranked) // 2 if n is None else n, 0)])


def score_run(
    run: Mapping[str, float],
    truth: Mapping[str, float],
    runs: int = 1,
    groups: Mapping[str, str] | None = None,
) -> ScoreCard:
    """Compare a run with the truth.

    Ids are matched as they are, or, where they differ, without folder and extension.

    Parameters
    ----------
    run : mapping
        Id to 0/1, or to a score, higher = more likely used.
    truth : mapping
        Id to 1 (used) or 0.
    runs : int
        How many runs were tried; the p-value of the best one pays for all.
    groups : mapping, optional
        Patient of each id of the truth (`group_truth`). Images of one patient
        are no independent witnesses, so intervals and p-value then draw and exchange patients.

    Raises
    ------
    InputError
        For missing, unknown or colliding ids, a truth that is not 0/1 or holds one status only, an
        id without a patient, a patient with used and unused images.
    """
    bad = [i for i, value in truth.items() if value not in (0.0, 1.0)]
    if bad:
        raise InputError(
            f"the truth must be 0 or 1, {len(bad)} ids have another value: {some_names(bad, 10)}."
        )
    if len(set(truth.values())) < 2:
        raise InputError("the truth must hold used (1) and unused (0) images, found one kind only.")
    names = {bare_name(i): i for i in truth} | {i: i for i in truth}
    run, truth = _matched(run, truth)
    ids = sorted(truth, key=natural_key)
    scores = np.array([run[i] for i in ids])
    used = np.array([truth[i] == 1.0 for i in ids])
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    half = set() if binary else top_half(run)
    decisions = scores == 1.0 if binary else np.array([i in half for i in ids])
    patients = None if groups is None else _patients([names[i] for i in ids], groups)
    auc = _auc(scores, used, patients)
    found = agreement(decisions, used, patients)
    if patients is None:
        p_value = p_against_guessing(decisions, used)
    else:
        p_value = set_test(decisions.astype(np.float64), used, patients).p_value
    return ScoreCard(
        n=found.n,
        kappa=found.kappa,
        accuracy=found.accuracy,
        precision=found.precision,
        recall=found.recall,
        specificity=found.specificity,
        f1=found.f1,
        auc=auc,
        auc_from="decisions" if binary else "scores",
        decided_by="run" if binary else "top half",
        baselines=constant_baselines(used),
        p_value=p_value,
        p_adjusted=p_adjusted_for_runs(p_value, runs),
        runs=runs,
        patients=None if patients is None else len(np.unique(patients)),
    )


def group_truth(
    ids: Iterable[str], csv: str | os.PathLike[str] | None = None, regex: str | None = None
) -> dict[str, str] | None:
    """Patient of each id, by a CSV file or a regular expression as in an audit; None by neither.

    An id that the file does not hold as it is, is looked for without folder and extension.

    Raises
    ------
    InputError
        For both at once, a file or expression that cannot be used, an id without a patient.
    """
    if csv is not None and regex is not None:
        raise InputError("groups were given twice, as CSV and as regular expression; give one.")
    if regex is not None:
        pattern = compile_groups(regex)
        names = list(ids)
        return dict(zip(names, find_groups(pattern, names), strict=True))
    if csv is None:
        return None
    groups = read_group_table(Path(csv))
    bare: dict[str, set[str]] = {}
    for name, group in groups.items():
        bare.setdefault(bare_name(name), set()).add(folded(group))
    found = {
        i: {folded(groups[name])}
        if (name := written(i)) in groups
        else bare.get(bare_name(i), set())
        for i in ids
    }
    if unclear := [i for i, same in found.items() if len(same) > 1]:
        raise InputError(
            f"{Path(csv).name} has several patients for {len(unclear)} ids without folder and "
            f"extension: {some_names(unclear, 10)}. Write these ids as the truth does."
        )
    return {i: patient for i, same in found.items() for patient in same}


def _patients(names: Sequence[str], groups: Mapping[str, str]) -> Labels:
    """The patient of each image, or an InputError that lists images without one."""
    missing = [name for name in names if name not in groups]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} images have no patient: {some_names(missing, 10)}. "
            "Give a patient for each image of the truth."
        )
    return np.array([groups[name] for name in names])


def _auc(scores: Floats, used: Bools, patients: Labels | None) -> Estimate:
    if patients is None:
        return auc_interval(scores[used], scores[~used])
    named = np.asarray(patients)
    return auc_interval(scores[used], scores[~used], named[used], named[~used])


def _matched(
    run: Mapping[str, float], truth: Mapping[str, float]
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Both under the same ids, or an InputError that lists what has no partner."""
    if run.keys() != truth.keys():
        run, truth = _by_bare_name(run, "run"), _by_bare_name(truth, "truth")
    missing = sorted(truth.keys() - run.keys(), key=natural_key)
    unknown = sorted(run.keys() - truth.keys(), key=natural_key)
    faults = []
    if missing:
        faults.append(f"{len(missing)} ids are missing from the run: {some_names(missing, 10)}")
    if unknown:
        faults.append(f"{len(unknown)} ids are not in the truth: {some_names(unknown, 10)}")
    if faults:
        raise InputError("; ".join(faults) + ". Both must hold the same images.")
    return run, truth


def _by_bare_name(values: Mapping[str, float], what: str) -> dict[str, float]:
    refuse_collisions(list(values), bare_name, f"names in the {what}")
    return {bare_name(i): value for i, value in values.items()}
