"""The page about audits of several sites: the one answer, each site, patients by their sites."""

from typing import Literal

from vestige.decision.combined import Combined, SiteAnswer, SitePatient
from vestige.decision.records import Code
from vestige.decision.sentences import GATES, HEADINGS, upper_text
from vestige.report import words
from vestige.report.annex_words import day_of
from vestige.report.blocks import Block, Fact, Facts, Points, Row, Section, Table, Text
from vestige.report.page import environment

NONE = "–"
MOST_ROWS = 2_000
AT_RISK = ("copy", "named", "stands out")
CODES: dict[Code, str] = {
    "copies_of_unused": "unused images are copied",
    "copies_of_reference": "reference images are copied",
    "generated_unread": "generated files were not read",
    "files_not_reached": "files were not reached",
    "unread_unequal": "unread files differ between the folders",
    "prepared_unlike": "grey values or colours are unlike",
    "check_failed": "a validity check failed",
    "finding_not_specific": "another generator gives the same signal",
    "patients_guessed": "patients are guessed",
    "selected_part": "a part of an earlier audit",
}
"""Why the p-values of a site do not count, in a cell."""
TEST = (
    "The p-values of the sites are combined, each by its number of patients (Lancaster 1961). If "
    "nothing leaks and the patients of the sites are different people, this p-value is at most a "
    "with probability a at most; sites with few patients, whose p-values take few values, make it "
    "cautious."
)
AUC = (
    "The mean of the AUCs of the sites, each by its number of patients: images are compared within "
    "their site only. A site that leaks alone is diluted in it, so read the rows above as well."
)
SAME_PATIENT = (
    "Nobody can see from results whether one patient was at two sites. Such a patient counts "
    "twice, and the combined p-value assumes that there are none."
)
PERSONS = (
    "Names are those of the site. A redacted site gives hashes of which nobody has the key: it "
    "finds its patient by the same p in its own result. q allows for the patients of all sites "
    "that count: each site spends the part of the rate that its patients are of all patients, so "
    "of all named ones at most one in ten is expected to be named falsely. A patient "
    "whom a site names by itself may not be named here."
)
ASIDE = (
    "The p-values of {who} do not count, because of what is said in their rows; copies are facts "
    "about pixels and count all the same."
)


def render_combined(combined: Combined) -> str:
    """One offline page: the answer of all sites, a row for each, and the patients at risk.

    Parameters
    ----------
    combined : Combined
        Everything in it may be hostile (names of sites and patients are); all is escaped.

    Returns
    -------
    str
        HTML that can be written as UTF-8.
    """
    looks: dict[str, Literal["alarm", "caution", "calm"]]
    looks = {"closed": "alarm", "open": "calm", "undecided": "caution"}
    page: str = (
        environment()
        .get_template("combined.html.j2")
        .render(
            combined=combined,
            look=looks[combined.gate],
            label=GATES[combined.gate],
            headline=HEADINGS[combined.state],
            sections=_sections(combined),
            of="combination",
            linked=set(),
        )
    )
    return page


def _sections(combined: Combined) -> tuple[Section, ...]:
    return (
        Section("sites", "What the sites say", _sites(combined)),
        Section("together", "All sites together", _together(combined)),
        Section("patients", "Who is at risk, by site", _patients(combined)),
        Section("assumed", "What this rests on", _assumed(combined)),
    )


def _sites(combined: Combined) -> tuple[Block, ...]:
    head = ("Site", "Decision", "p", "AUC", "Patients", "Unused", "Copies", "Named", "Counts")
    rows = tuple(_row(one) for one in combined.sites)
    said = [
        Text(one.text, title=f"What {words.name(one.name)} says by itself")
        for one in combined.sites
    ]
    blocks: list[Block] = [
        Table(head, rows, (2, 3, 4, 5, 6, 7, 8), (2, 3), (1,), "One row for each site."),
    ]
    if combined.aside:
        who = ", ".join(one.name for one in combined.aside)
        blocks.append(Text(ASIDE.format(who=who), "box"))
    return (*blocks, *said)


def _row(one: SiteAnswer) -> Row:
    marks: dict[str, Literal["alarm", "caution", ""]] = {"closed": "alarm", "undecided": "caution"}
    why = "; ".join(CODES[code] for code in one.set_aside if code in CODES)
    copies = f"{one.copies:,} of {words.plural(one.copied_patients, 'patient')}"
    return Row(
        (
            words.name(one.name),
            f"{HEADINGS[one.state]} ({GATES[one.gate].lower()})",
            words.p_text(one.p_value),
            f"{one.auc.value:.2f}",
            f"{one.targets:,}",
            f"{one.unused:,}",
            copies if one.copies else "0",
            f"{one.named:,}",
            f"no: {why}" if one.set_aside else words.percent(one.share),
        ),
        marks.get(one.gate, ""),
    )


def _together(combined: Combined) -> tuple[Block, ...]:
    test, facts = combined.test, combined.decision.facts
    if test is None:
        return (Text("The p-values of no site count, so nothing is combined.", "box"),)
    shown = [
        Fact("p-value", words.p_text(test.p_value), "all sites that count", TEST),
        Fact(
            "AUC",
            f"{test.auc.value:.2f}",
            f"95 % interval {words.interval(test.auc.low, test.auc.high)}",
            AUC,
        ),
    ]
    if combined.because == "all sites" and facts.auc_upper is not None:
        told = "With 95 % confidence that mean is not above this bound."
        bound = upper_text(facts.auc_upper, combined.max_auc)
        limit = f"the limit is {combined.max_auc:g}"
        shown.append(Fact("Upper bound of the AUC", bound, limit, told))
    return (Facts(tuple(shown)),)


def _patients(combined: Combined) -> tuple[Block, ...]:
    at_risk = [one for one in combined.patients if one.finding.word in AT_RISK]
    blocks: list[Block] = [Text(PERSONS)]
    if not at_risk:
        return (*blocks, Text("Nobody is copied, named or stands out at any site."))
    if len(at_risk) > MOST_ROWS:
        more = f"The {MOST_ROWS:,} strongest of {len(at_risk):,}; all are in combined.json."
        blocks.append(Text(more, "box"))
    head = ("Site", "Patient", "Verdict", "p", "q of all sites", "Images")
    rows = tuple(map(_patient, at_risk[:MOST_ROWS]))
    caption = "Patients, the strongest word first."
    return (*blocks, Table(head, rows, (3, 4, 5), (2,), (), caption, (0, 2)))


def _patient(one: SitePatient) -> Row:
    found = one.finding
    return Row(
        (
            words.name(one.site),
            words.name(found.patient),
            found.word,
            words.p_text(found.p_value),
            words.p_text(found.q_value),
            f"{found.images:,}",
        ),
        "alarm" if found.verdict == "used" else "",
    )


def _assumed(combined: Combined) -> tuple[Block, ...]:
    rests: list[tuple[str, str]] = [("Patients", SAME_PATIENT)]
    if combined.same_names:
        rests.append(
            (
                "Names",
                f"{words.plural(combined.same_names, 'patient name')} can be found at more than "
                "one site. Sites often number their patients alike, so this says nothing; if the "
                "names come from one register, these are the same people.",
            )
        )
    if not all(one.patient_ids for one in combined.sites):
        rests.append(
            ("Patient ids", "A site gave none: images that look alike count as one patient there.")
        )
    if combined.untold:
        rests.append(
            (
                "Options",
                f"A redacted result does not tell {', '.join(combined.untold)}: whether the sites "
                "audited alike in this is not known.",
            )
        )
    made = f"SHA-256 {combined.generated_sha256}, the same at all sites."
    dates = ", ".join(f"{one.name} on {day_of(one.started)}" for one in combined.sites)
    rests += [
        ("Generated images", made),
        ("Audits", f"{dates}; vestige {combined.vestige}, the same at all sites."),
        ("Results", "; ".join(f"{one.name} {one.result_sha256}" for one in combined.sites)),
    ]
    return (Points(tuple(rests)),)
