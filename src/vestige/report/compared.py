"""Two audits beside each other: two releases, two generators, or a set before and after a scrub."""

from collections.abc import Sequence

from vestige.decision.audited import Audited, named_groups
from vestige.decision.decide import TARGET_ROLES
from vestige.decision.sentences import (
    GATES,
    HEADINGS,
    LEVELS,
    most_by_chance,
    p_values_hold,
    rounded_up,
    upper_text,
)
from vestige.registry.entries import InputError
from vestige.report import words
from vestige.report.annex_words import day_of
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.page import environment

NONE = "–"
BOTH = "What both audits say."
VOID = ", which does not hold (see the decision)"
FIGURES = (
    "The intervals and bounds are those of each audit by itself. Two intervals that overlap do not "
    "show that the two sets are equally safe, and this page makes no test between them."
)
SAME_REALS = "Both audits looked at the same real images."
OTHER_REALS = (
    "The two audits did not look at the same real images: {roles}. A difference between them may "
    "come from the real images, so compare the decisions and not the numbers."
)
UNKNOWN_REALS = (
    "At least one of the two results does not tell which real images it is about, so nobody can "
    "say whether they are the same."
)


def render_comparison(first: Audited, second: Audited) -> str:
    """One offline page with two audits side by side; it names no image and nobody.

    Parameters
    ----------
    first, second : Audited
        Audits that asked the same kind of question.

    Returns
    -------
    str
        HTML that can be written as UTF-8.

    Raises
    ------
    InputError
        When one is a release audit and the other a forensic one.
    """
    if first.question.mode != second.question.mode:
        raise InputError(
            f"one result is of a {first.question.mode} audit, the other of a "
            f"{second.question.mode} audit: give two results that asked the same question."
        )
    heads = ("A", "B")
    sections = (
        Section("same", "Are they about the same images?", _same(first, second)),
        Section("beside", "A beside B", beside(first, second, heads)),
    )
    page: str = (
        environment()
        .get_template("compared.html.j2")
        .render(
            banners=tuple(zip(heads, map(words.banner, (first, second)), strict=True)),
            sections=sections,
            mode=first.question.mode,
            of="comparison",
            linked=set(),
        )
    )
    return page


def _same(first: Audited, second: Audited) -> tuple[Block, ...]:
    mine, theirs = (_real_digests(one) for one in (first, second))
    if not mine or not theirs:
        return (Text(UNKNOWN_REALS, "box"),)
    other = [role for role in words.ROLES if mine.get(role) != theirs.get(role)]
    if other:
        told = ", ".join(
            f"the {role} images differ"
            if role in mine and role in theirs
            else f"only {'A' if role in mine else 'B'} has {role} images"
            for role in other
        )
        blocks = [Text(OTHER_REALS.format(roles=told), "box")]
    else:
        blocks = [Text(SAME_REALS)]
    made = [one.manifest.inputs_sha256.get("generated") for one in (first, second)]
    if made[0] is not None and made[0] == made[1]:
        blocks.append(Text("The generated images of both audits are the same as well.", "box"))
    if first.manifest.kind != second.manifest.kind:
        kinds = f"{first.manifest.kind} in A, {second.manifest.kind} in B"
        blocks.append(Text(f"The images were compared as different kinds: {kinds}.", "box"))
    return tuple(blocks)


def _real_digests(result: Audited) -> dict[str, str]:
    known = result.manifest.inputs_sha256
    return {role: known[role] for role in words.ROLES if role in known and role != "generated"}


def beside(first: Audited, second: Audited, heads: Sequence[str]) -> tuple[Block, ...]:
    """What both audits say, row by row, under two headings; and the checks of both."""
    mine, theirs = (_figures(one) for one in (first, second))
    rows = [Row((name, mine[name], theirs[name])) for name in mine]
    both = _exposed(first) & _exposed(second)
    if _real_digests(first) == _real_digests(second):
        same = words.plural(len(both), "patient")
        rows.insert(
            list(mine).index("Patients at risk") + 1,
            Row(("At risk in both", same, same)),
        )
    names = list(dict.fromkeys(c.name for one in (first, second) for c in one.checks))
    checks = tuple(Row((name, *(_state(one, name) for one in (first, second)))) for name in names)
    blocks: list[Block] = [
        Table(("", *heads), tuple(rows), whole=(0, 1, 2), caption=BOTH),
        Text(FIGURES),
    ]
    if checks:
        blocks.append(
            Table(("Check", *heads), checks, whole=(0, 1, 2), caption="The checks of both.")
        )
    return tuple(blocks)


def _figures(result: Audited) -> dict[str, str]:
    """What is told of one audit, by name; the same names for every audit."""
    facts, test, bounds = result.decision.facts, result.set_test, result.bounds
    counts = result.question.counts
    targets = len({f.group for f in result.findings})
    copies = [c for c in result.copies if c.role in TARGET_ROLES]
    stand = NONE
    if result.chance is not None and p_values_hold(facts):
        stand = f"{facts.stand_out:,} (chance explains {most_by_chance(facts)})"
    given = [role for role in words.ROLES if role != "generated" and counts.get(role)]
    real = ", ".join(f"{counts[role]:,} {role}" for role in given)
    hold = "" if p_values_hold(facts) else VOID
    auc, p, least = NONE, NONE, NONE
    if test is not None:
        auc = f"{test.auc.value:.2f} ({words.interval(test.auc.low, test.auc.high)}){hold}"
        p = f"{words.p_text(test.p_value)}{hold}"
        least = f"{rounded_up(test.minimum_detectable_auc)}{hold}"
    digest = result.manifest.inputs_sha256.get("generated", "")
    made = f"{counts.get('generated', 0):,}"
    return {
        "Decision": HEADINGS[result.decision.state],
        "Gate": GATES[result.decision.gate],
        "Audit made on": f"{day_of(result.manifest.started)}, vestige {result.manifest.vestige}",
        "Generated images": f"{made} (SHA-256 {digest[:12]} …)" if digest else made,
        "Real images": real or NONE,
        "Generated images that are copies": f"{len({c.generated for c in copies}):,}",
        "Patients at risk": f"{len(_exposed(result)):,} of {targets:,} copied or named",
        "Patients copied": f"{len({c.group for c in copies}):,}",
        "Patients named": f"{len(named_groups(result.findings, result.patients)):,}",
        "Patients that stand out": stand,
        "AUC of the set test (95 % interval)": auc,
        "p-value of the set test": p,
        "Upper bound of the AUC": NONE
        if bounds is None
        else f"{upper_text(bounds.auc_upper, result.question.max_auc)}{hold}",
        "Smallest visible AUC": least,
        "Planted copies that could be missed": _missed(result),
    }


def _exposed(result: Audited) -> frozenset[str]:
    """Target patients of whom there is a copy, or who can be named."""
    copied = {c.group for c in result.copies if c.role in TARGET_ROLES}
    return named_groups(result.findings, result.patients) | copied


def _missed(result: Audited) -> str:
    if not result.levels:
        return "no copies were planted"
    return ", ".join(LEVELS[level] for level in result.decision.missed) or "none"


def _state(result: Audited, name: str) -> str:
    state = next((c.state for c in result.checks if c.name == name), None)
    return NONE if state is None else "FAILED" if state == "failed" else state
