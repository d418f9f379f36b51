"""Which generated images go with which real images and patients, by copies and findings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vestige.decision.audited import strongest_first
from vestige.decision.records import Copy, Withheld
from vestige.schema.records import Finding

NAMED = 200
"""Named images that are shown at most."""
AT_LEAST = 12
"""Images that are shown beside their nearest generated image, even if nobody is named."""


@dataclass(frozen=True)
class Related:
    """Names in the order in which they were found, each once.

    nearest : real image (role, id) -> the generated images nearest to it
    of_patient : patient -> generated images that are copies of their images, or next to one of
        their images that is named
    of_generated : generated image -> the real images (role, id) that it goes with in this way
    """

    nearest: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    of_patient: dict[str, tuple[str, ...]] = field(default_factory=dict)
    of_generated: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


def related(copies: Iterable[Copy | Withheld], findings: Iterable[Finding]) -> Related:
    """Bring the pairs of copies and of named images together."""
    found = Related()
    for copy in copies:
        _add(found, copy.role, copy.real, copy.group, copy.generated)
    for one in findings:
        found.nearest[one.role, one.id] = tuple(near.generated for near in one.evidence)
        if one.verdict == "used" and not one.copied and one.evidence:
            _add(found, one.role, one.id, one.group, one.evidence[0].generated)
    return found


def _add(found: Related, role: str, real: str, group: str, generated: str) -> None:
    ours, theirs = found.of_patient.get(group, ()), found.of_generated.get(generated, ())
    if generated not in ours:
        found.of_patient[group] = (*ours, generated)
    if (role, real) not in theirs:
        found.of_generated[generated] = (*theirs, (role, real))


def beside_nearest(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The images that are shown beside their nearest generated image, strongest first.

    All that are named or stand out and are no copies, which have pictures of their own, up to
    `NAMED`; at least `AT_LEAST` where there are so many.
    """
    order = [f for f in strongest_first(findings) if f.evidence and not f.copied]
    called = sum(f.verdict == "used" or f.stands_out for f in order)
    return tuple(order[: min(NAMED, max(AT_LEAST, called))])
