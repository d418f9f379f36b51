"""The ImageCLEFmedical GANs challenge: hand in a run, score a run.

One record keeps an id and its decision together; two lists are never zipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vestige.choices import InputError, build
from vestige.images.listing import natural_key
from vestige.records import Estimate
from vestige.result import AuditResult
from vestige.runfile import (
    FORMATS,
    RunFormat,
    bare_name,
    read_run,
    refuse_collisions,
    validate_run,
)
from vestige.stats.agreement import (
    Baselines,
    agreement,
    constant_baselines,
    p_adjusted_for_runs,
    p_against_guessing,
)
from vestige.stats.groups import some_names
from vestige.stats.intervals import auc_interval

__all__ = [
    "FORMATS",
    "Baselines",
    "RunFormat",
    "ScoreCard",
    "export_run",
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
    truth). Images are taken as independent. `p_value` is against guessing, `p_adjusted` pays for
    the number of runs tried. Measures are None where they are undefined.
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


def export_run(
    result: AuditResult,
    format: str = "imageclef2025",
    header: bool | None = None,
    balanced: bool = False,
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
    balanced : bool
        Call the upper half of the scores used (the smaller half of an odd number), for a test
        that is known to hold as many used as unused images. Equal scores at the line are taken in
        natural order of the ids: arbitrary, but the same on every machine. Otherwise "used" is
        the calibrated verdict of the finding.

    Raises
    ------
    InputError
        Without queries, with uncalibrated findings unless `balanced`, with names that collide
        once folder or extension are gone, or names that the format cannot hold.
    """
    rules = build(FORMATS, format, "format")
    if header and rules.header is None:
        raise InputError(f"{rules.name} takes no header: its validator refuses it. Leave it out.")
    findings = [f for f in result.findings if f.role == "query"]
    if not findings:
        raise InputError("this result holds no query images. Run the audit with --query.")
    if balanced:
        chosen = top_half({f.id: f.score for f in findings})
    else:
        uncalibrated = [f.id for f in findings if f.verdict == "uncalibrated"]
        if uncalibrated:
            raise InputError(
                f"{len(uncalibrated)} of {len(findings)} query images have no calibrated verdict. "
                "Audit with more --unused images, or use --balanced if half of them were used."
            )
        chosen = {f.id for f in findings if f.verdict == "used"}
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


def top_half(scores: Mapping[str, float]) -> set[str]:
    """Ids with the floor(n/2) highest scores; ties at the line go by natural order of the ids."""
    ranked = sorted(scores, key=lambda i: (-scores[i], natural_key(i)))
    return set(ranked[: len(ranked) // 2])


def score_run(run: Mapping[str, float], truth: Mapping[str, float], runs: int = 1) -> ScoreCard:
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

    Raises
    ------
    InputError
        For missing, unknown or colliding ids, a truth that is not 0/1 or holds one status only.
    """
    bad = [i for i, value in truth.items() if value not in (0.0, 1.0)]
    if bad:
        raise InputError(
            f"the truth must be 0 or 1, {len(bad)} ids have another value: {some_names(bad, 10)}."
        )
    if len(set(truth.values())) < 2:
        raise InputError("the truth must hold used (1) and unused (0) images, found one kind only.")
    run, truth = _matched(run, truth)
    ids = sorted(truth, key=natural_key)
    scores = np.array([run[i] for i in ids])
    used = np.array([truth[i] == 1.0 for i in ids])
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    half = set() if binary else top_half(run)
    decisions = scores == 1.0 if binary else np.array([i in half for i in ids])
    found = agreement(decisions, used)
    p_value = p_against_guessing(decisions, used)
    return ScoreCard(
        n=found.n,
        kappa=found.kappa,
        accuracy=found.accuracy,
        precision=found.precision,
        recall=found.recall,
        specificity=found.specificity,
        f1=found.f1,
        auc=auc_interval(scores[used], scores[~used]),
        auc_from="decisions" if binary else "scores",
        decided_by="run" if binary else "top half",
        baselines=constant_baselines(used),
        p_value=p_value,
        p_adjusted=p_adjusted_for_runs(p_value, runs),
        runs=runs,
    )


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
