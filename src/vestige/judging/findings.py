"""What is said of each target image."""

from collections.abc import Mapping, Sequence

import numpy as np

from vestige.decision.records import Copy
from vestige.detectors.matched_filter import MatchedFilterPool
from vestige.images.imageset import ImageSet
from vestige.images.names import natural_key
from vestige.judging.cohort import Cohort
from vestige.judging.judge import Judgement
from vestige.schema.records import Q_LEVEL, Evidence, Finding, FindingVerdict, Share
from vestige.scoring.plan import Column
from vestige.types import Detector, Floats

EVIDENCE = 3
CARRIED = 3


def find_evidence(fitted: Mapping[str, Detector], cohort: Cohort, generated: ImageSet) -> Floats:
    """The generated images nearest to each image of the cohort, by whitened cosine at 32 px.

    Returns
    -------
    float64 [2, n, k] : the cosines, and the numbers of the generated images
    """
    primary = fitted.get("matched_filter_pool_32")
    if not isinstance(primary, MatchedFilterPool):
        primary = MatchedFilterPool(size=32).fit(generated.pixels)
    return np.stack(primary.nearest_pool(cohort.images, EVIDENCE)[:2])


def name_evidence(evidence: Floats, generated: ImageSet) -> list[tuple[Evidence, ...]]:
    """Evidence [2, n, k] with the names of the generated images."""
    return [
        tuple(
            Evidence(generated.ids[int(g)], float(np.clip(c, -1, 1)))
            for g, c in zip(rows, values, strict=True)
        )
        for values, rows in zip(*evidence, strict=True)
    ]


def make_findings(
    columns: Floats,
    plan: Sequence[Column],
    cohort: Cohort,
    judgement: Judgement,
    evidence: Sequence[tuple[Evidence, ...]],
    false_alarm_rate: float,
    vetoed: bool,
    copies: Sequence[Copy] = (),
) -> tuple[Finding, ...]:
    """One finding per target image, in natural order of the ids.

    The verdict is "used" where there is a copy, whatever p-value and checks say, where the answer
    is known, and where the image's patient is named (q at most `Q_LEVEL`). That p is small alone
    is a flag of its own, `stands_out`.
    """
    copied: dict[tuple[str, str], list[Copy]] = {}
    for copy in copies:
        copied.setdefault((copy.role, copy.real), []).append(copy)
    findings = []
    for i, row in enumerate(np.flatnonzero(cohort.targets)):
        known = cohort.resolved.get(int(row))
        p = None if judgement.p_values is None or known else float(judgement.p_values[i])
        q = np.nan if judgement.q_values is None or known else float(judgement.q_values[i])
        verdict: FindingVerdict = "used" if known == "used" else "no evidence"
        if not known and (p is None or vetoed):
            verdict = "uncalibrated"
        elif q <= Q_LEVEL:
            verdict = "used"
        own = copied.get((str(cohort.roles[row]), cohort.ids[row]), [])
        if own:
            verdict = "used"
        values = {column.name: float(columns[row, d]) for d, column in enumerate(plan)}
        findings.append(
            Finding(
                id=cohort.ids[row],
                group=str(cohort.groups[row]),
                role="used" if cohort.roles[row] == "used" else "query",
                score=float(judgement.scores[i]),
                p_value=p,
                q_value=None if np.isnan(q) else q,
                verdict=verdict,
                columns=values,
                evidence=_copies_first(own, evidence[int(row)]),
                carried_by=_carried(judgement.parts[i], plan),
                stands_out=p is not None and p <= false_alarm_rate and not vetoed,
                copied=bool(own),
            )
        )
    return tuple(sorted(findings, key=lambda finding: natural_key(finding.id)))


def _copies_first(copies: Sequence[Copy], near: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """The nearest generated images, its copies before the others."""
    nearest = sorted(copies, key=lambda copy: (-copy.value, natural_key(copy.generated)))
    first = [Evidence(copy.generated, float(np.clip(copy.value, -1, 1))) for copy in nearest]
    shown = {one.generated for one in first}
    return (*first, *(one for one in near if one.generated not in shown))[:EVIDENCE]


def _carried(parts: Floats, plan: Sequence[Column]) -> tuple[Share, ...]:
    """The columns that raise a score most."""
    raising = np.maximum(parts, 0.0)
    if not raising.any():
        return ()
    raising = raising / raising.sum()
    strongest = np.argsort(-raising, kind="stable")[:CARRIED]
    return tuple(Share(plan[d].name, float(raising[d])) for d in strongest if raising[d] > 0)
