"""The part of the page about patients."""

from collections.abc import Mapping

from vestige.decision.audited import Audited, strongest_first
from vestige.images.kinds import told_of
from vestige.report import words
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.drawn import strips
from vestige.report.kinds import kind_of_result
from vestige.schema.records import Q_LEVEL, Finding, PatientFinding

MOST_ROWS = 2_000


def patients(result: Audited) -> Section | None:
    """One row per patient, in the order of the strongest image of each."""
    if not result.patients:
        return None
    own: dict[str, list[Finding]] = {}
    for finding in strongest_first(result.findings):
        own.setdefault(finding.group, []).append(finding)
    place = {name: k for k, name in enumerate(own)}
    order = sorted(result.patients, key=lambda p: (place.get(p.patient, len(place)), p.patient))
    told = [p.word for p in order]
    rate = words.percent(result.question.false_alarm_rate)
    text = (
        f"Of {words.plural(len(order), 'patient')} {told.count('copy'):,} with a copy, "
        f"{told.count('named'):,} named (q ≤ {Q_LEVEL:.2f}), {told.count('stands out'):,} more "
        f"with a patient's p ≤ {rate}. The patient with the strongest image comes first."
    )
    meant = (
        "The p-value is of a test of the patient; the first part of the page "
        "counts patients by the share of their images instead. A finding is a "
        "statement about the patient: an image of this patient, or a near copy of it, was used. "
        "Each patient is tested by the best image and by the mean over all images, against unused "
        "patients treated the same way; p allows for both, and “stronger test” names the one "
        "that stood out more. "
        f"{told_of(kind_of_result(result), 'Many slices of one patient')} are not many "
        "independent observations: "
        "images may stand out while their patient does "
        "not, and the reverse."
    )
    blocks: list[Block] = [Text(text), Text(meant, title=words.MEANT)]
    if any(p.relation == "same patient used" for p in order):
        text = (
            "“Same patient used”: other images of this patient are known to be used, so a finding "
            "may come from those. It says that the patient was used, not that these images were. "
            "“Unrelated”: no used image of the patient is known."
        )
        blocks.append(Text(text, "box"))
    if len(order) > MOST_ROWS:
        text = f"The {MOST_ROWS:,} strongest of {len(order):,}; all are in result.json."
        blocks.append(Text(text, "box"))
    related = any(p.relation for p in order)
    head: tuple[str, ...] = ("Patient", "Verdict", "p", "q", "Images", "of them stand out")
    head += ("Stronger test", "Strongest image")
    head += ("Known used images",) if related else ()
    rows = [_row(p, own, related) for p in order[:MOST_ROWS]]
    caption = "Patients, the one with the strongest image first."
    short = (0, 1, 6) if max(len(row.cells[0]) for row in rows) <= 24 else (1, 6)
    blocks.append(Table(head, tuple(rows), (2, 3, 4, 5), short, (), caption, (1, 6)))
    blocks += strips(result)
    return Section("patients", "Who is at risk, patient by patient", tuple(blocks))


def _row(patient: PatientFinding, own: Mapping[str, list[Finding]], related: bool) -> Row:
    images = own.get(patient.patient, [])
    cells = (
        words.name(patient.patient),
        patient.word,
        words.p_text(patient.p_value),
        words.p_text(patient.q_value),
        f"{patient.images:,}",
        f"{sum(f.stands_out for f in images):,}",
        patient.carried_by or "–",
        words.name(images[0].id) if images else "–",
    )
    return Row(
        cells + ((patient.relation,) if related else ()),
        "alarm" if patient.verdict == "used" else "",
    )
