"""The page, part by part: a result goes in, a section or nothing comes out.

No section computes a statistic anew; ranks only show the numbers of the result.
"""

from collections.abc import Callable

from vestige.decision.audited import Audited
from vestige.decision.sentences import most_by_chance, p_values_hold, unit_of
from vestige.images.kinds import told_of
from vestige.report import words
from vestige.report.blocks import (
    Block,
    Fact,
    Facts,
    Part,
    Row,
    Section,
    Table,
    Text,
)
from vestige.report.checks import checks
from vestige.report.copies import copies
from vestige.report.glossary import glossary
from vestige.report.guide import manifest, reading
from vestige.report.images import findings, pairs
from vestige.report.kinds import compared, kind_of_result
from vestige.report.negative import negative
from vestige.report.patients import patients
from vestige.report.whole_set import detectors, measures, release, whole_set

MOST_PROBLEMS = 50
"""Problems listed on the page."""


def summary(result: Audited) -> Section | None:
    """The three numbers that carry the decision, each with its meaning."""
    test, facts = result.set_test, []
    if result.copy_search is not None and (result.copies or _p_values_hold(result)):
        facts.append(_copied(result))
    if any(f.verdict != "uncalibrated" for f in result.findings):
        facts.append(_stand_out(result))
    blocks: list[Block] = []
    if test is not None:
        interval = f"95 % interval {words.interval(test.auc.low, test.auc.high)}"
        facts.append(Fact("AUC", f"{test.auc.value:.2f}", interval, words.auc_meaning(test)))
        blocks = [
            Text(told_of(kind_of_result(result), words.CAUTIONS[code]), "box")
            for code in result.decision.codes
            if code in words.CAUTIONS
        ]
    if not facts:
        return None
    return Section("summary", "In numbers", (*blocks, Facts(tuple(facts))))


def _p_values_hold(result: Audited) -> bool:
    return result.chance is not None and p_values_hold(result.decision.facts)


def _copied(result: Audited) -> Fact:
    """How many generated images are copies, and of whom."""
    copies = {c.generated for c in result.copies}
    of = result.question.counts.get("generated", 0)
    patients = len({c.group for c in result.copies})
    who = "patient" if result.question.patient_ids else "group"
    meaning = "No generated image is a copy of a real image in the views that were searched."
    if copies:
        meaning = f"They show images of {words.plural(patients, who)}; see the pictures below."
    detail = f"of {words.plural(of, 'generated image')}"
    return Fact("Copies", f"{len(copies):,}", detail, meaning)


def _stand_out(result: Audited) -> Fact:
    """How many patients stand out: the number of the decision, and how it is counted."""
    facts, images = result.decision.facts, result.findings
    if not _p_values_hold(result):
        copies = sum(f.word == "copy" for f in images)
        meaning = "A generated image is a copy of each. No p-value holds here, so nothing is said "
        meaning += "of who else stands out."
        return Fact("Images that are copied", f"{copies:,}", f"of {len(images):,}", meaning)
    tested = [f for f in images if f.p_value is not None]
    unit, rate = unit_of(facts), words.percent(result.question.false_alarm_rate)
    low = sum(f.stands_out for f in tested)
    by_chance = result.question.false_alarm_rate * len(tested)
    usual = f"about {by_chance:.0f}" if by_chance >= 1 else "fewer than 1"
    meaning = f"{low:,} of {words.plural(len(tested), 'tested image')} have p ≤ {rate}; {usual} "
    meaning += "would even if none had been used."
    groups = len({f.group for f in tested})
    if groups < len(tested):
        meaning += f" Each {unit} counts by the share of such images, and the sum is rounded up."
    return Fact(
        f"{unit.capitalize()}s that stand out",
        f"{facts.stand_out:,}",
        f"of {groups:,} tested; chance explains {most_by_chance(facts)}",
        meaning,
    )


def question(result: Audited) -> Section | None:
    """What was asked, of which images."""
    asked = result.question
    mode = {
        "release": "Release: may this synthetic set be released without giving away whose "
        "images trained the generator?",
        "forensic": "Forensic: were these images of unknown status used to train the generator?",
    }[asked.mode]
    rows = [Row(("Question", mode))]
    for role in (*words.ROLES, *sorted(set(asked.counts) - set(words.ROLES))):
        if asked.counts.get(role):
            count = words.plural(asked.counts[role], "image")
            rows.append(Row((role.capitalize(), f"{count}: {words.ROLE_MEANING.get(role, role)}")))
    if images := compared(result):
        rows.append(Row(("Compared", images)))
    rows.append(Row(("Groups", f"{asked.groups:,} (patients or clusters) – {asked.groups_from}")))
    rate = f"{words.percent(asked.false_alarm_rate)} of unused images may stand out"
    rows.append(Row(("False-alarm rate", rate)))
    return Section(
        "question", "What was asked", (Table(("", ""), tuple(rows), caption="The question."),)
    )


def preparation(result: Audited) -> Section | None:
    """Statistics of how the images were prepared, set against set."""
    if not result.preparation:
        return None
    rows = []
    for one in result.preparation:
        pair = f"{one.first} / {one.second}"
        for k, d in enumerate(one.differences):
            outcome = "expected" if one.p_value is None else ("alike" if one.passed else "DIFFER")
            found = "" if one.p_value is None or one.passed else "caution"
            p = words.p_text(d.p_adjusted)
            cells = (pair, one.stage, outcome) if k == 0 else ("", "", "")
            told = (d.statistic, d.first, d.second, f"{d.distance:.2f}", p, d.cause)
            rows.append(Row((*cells, *told), found))  # type: ignore[arg-type]
    blocks: list[Block] = [Text(words.PREPARATION)]
    for one in result.preparation:
        if one.separated_by:
            named = " and ".join(one.separated_by)
            text = (
                f"{one.first.capitalize()} and {one.second} ({one.stage}): no value of {named} "
                "occurs in both, which alone tells all images of one from all of the other."
            )
            if one.passed and one.p_value is not None:
                alike = " Their pixels are alike, and detectors see nothing else."
                text += told_of(kind_of_result(result), alike)
            blocks.append(Text(text, "box"))
    caption = "Statistics of the images, set against set."
    head = ("Sets", "Stage", "Outcome", "Statistic", "First", "Second", "KS", "adjusted p", "Cause")
    table = Table(
        head, tuple(rows), numeric=(4, 5, 6, 7), short=(2,), whole=(0, 1, 3, 8), caption=caption
    )
    return Section("preparation", "Were the sets prepared alike?", (*blocks, table))


def problems(result: Audited) -> Section | None:
    """Everything that went wrong on the way; said even when nothing did."""
    shown = sorted(result.problems, key=lambda p: p.severity)[:MOST_PROBLEMS]
    if not shown:
        text = Text("Every file was read and every step ran.")
        return Section("problems", "Problems", (text,))
    errors = sum(p.severity == "error" for p in result.problems)
    warnings = words.plural(len(result.problems) - errors, "warning")
    count = f"{words.plural(errors, 'error')}, {warnings}."
    if len(result.problems) > len(shown):
        count += f" The first {len(shown)} are listed; result.json holds all."
    rows = tuple(
        Row(
            (p.severity, words.name(p.path) or "(whole audit)", p.what),
            "caution" if p.severity == "error" else "",
        )
        for p in shown
    )
    table = Table(("Severity", "File", "What"), rows, short=(0,), caption="Problems on the way.")
    return Section("problems", "Problems", (Text(count), table))


def errors(result: Audited) -> Section | None:
    """The problems, if any of them is an error."""
    return problems(result) if _is_wrong(result) else None


def warnings(result: Audited) -> Section | None:
    """The problems, if none of them is an error; said even when there is none."""
    return None if _is_wrong(result) else problems(result)


def _is_wrong(result: Audited) -> bool:
    return any(p.severity == "error" for p in result.problems)


IN_SIGHT: tuple[Callable[[Audited], Section | None], ...] = (
    summary,
    copies,
    pairs,
    negative,
    patients,
    findings,
    errors,
)
"""The evidence, what could have been missed, and who is at risk: for everybody."""
FOR_STATISTICIANS: tuple[Callable[[Audited], Section | None], ...] = (
    question,
    whole_set,
    release,
    detectors,
    measures,
    checks,
    preparation,
    warnings,
    manifest,
)
"""How the decision was reached: folded."""
GUIDE: tuple[Callable[[Audited], Section | None], ...] = (reading, glossary)
SECTIONS = (*IN_SIGHT, *FOR_STATISTICIANS, *GUIDE)


def parts(result: Audited) -> list[Section | Part]:
    """The whole page below the decision, in order."""
    return [
        *_made(IN_SIGHT, result),
        Part("statistics", "For statisticians", words.STATISTICS, _made(FOR_STATISTICIANS, result)),
        *_made(GUIDE, result),
    ]


def _made(
    sections: tuple[Callable[[Audited], Section | None], ...], result: Audited
) -> tuple[Section, ...]:
    made = (section(result) for section in sections)
    return tuple(section for section in made if section is not None)
