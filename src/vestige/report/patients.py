"""The part of the page about patients."""

from vestige.records import PatientFinding
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Text, long_table
from vestige.result import Q_LEVEL, AuditResult, strongest_first

MOST_ROWS = 200


def patients(result: AuditResult) -> Section | None:
    """One row per patient, in the order of the strongest image of each."""
    if not result.patients:
        return None
    place: dict[str, int] = {}
    for finding in strongest_first(result.findings):
        place.setdefault(finding.group, len(place))
    order = sorted(result.patients, key=lambda p: (place.get(p.patient, len(place)), p.patient))
    named = sum(p.verdict == "used" for p in order)
    sure = sum(p.q_value is not None and p.q_value <= Q_LEVEL for p in order)
    text = (
        f"{named:,} of {words.plural(len(order), 'patient')} called “used”, {sure:,} with q ≤ "
        f"{Q_LEVEL:.2f}. A patient is tested twice, by his best image and by the mean over all, "
        "against unused patients treated the same way; p pays for both. Many slices are not many "
        "witnesses: “images” of a patient may be called “used” while he is not, and the reverse. "
        "The patient with the strongest image comes first."
    )
    blocks: list[Block] = [Text(text)]
    if any(p.relation == "same patient used" for p in order):
        text = (
            "“Same patient used”: other images of this patient are known to be used, so a finding "
            "may come from those. It says that the patient was used, not that these images were. "
            "“Unrelated”: no used image of the patient is known."
        )
        blocks.append(Text(text, "box"))
    if len(order) > MOST_ROWS:
        text = f"The {MOST_ROWS} strongest of {len(order):,}; all are in result.json."
        blocks.append(Text(text, "box"))
    related = any(p.relation for p in order)
    head: tuple[str, ...] = ("Patient", "Verdict", "p", "q", "Images", "of them “used”")
    head += ("Known used images",) if related else ()
    rows = [_row(p, related) for p in order[:MOST_ROWS]]
    blocks += long_table(
        head, rows, lambda rest: words.plural(len(rest), "more patient"), (2, 3, 4, 5), (1,)
    )
    return Section("patients", "Patient by patient", tuple(blocks))


def _row(patient: PatientFinding, related: bool) -> Row:
    cells = (
        words.name(patient.patient),
        patient.verdict,
        words.p_text(patient.p_value),
        words.p_text(patient.q_value),
        f"{patient.images:,}",
        f"{patient.called_used:,}",
    )
    return Row(
        cells + ((patient.relation,) if related else ()),
        "alarm" if patient.verdict == "used" else "",
    )
