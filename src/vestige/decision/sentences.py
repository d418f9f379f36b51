"""Every sentence about a decision, made of its codes and facts; nothing else words a decision.

What to do next is in `sentences_next`. The text is one paragraph of plain sentences: what was
found, what could have been missed, what to do next. Terminal, report, gate and scrub print it as
it is.
"""

import math

from vestige.decision.records import Code, Decision, Facts
from vestige.decision.sentences_next import remedy_text
from vestige.images.kinds import told_of
from vestige.schema.records import LevelCode

LEVELS: dict[LevelCode, str] = {
    "verbatim": "unchanged",
    "jpeg_75": "saved as JPEG of quality 75",
    "mirrored": "mirrored",
    "quarter_turn": "turned by a quarter",
    "shift_10": "shifted by 10 %",
    "crop_80": "cropped to 80 %",
    "inverted": "inverted",
    "gamma": "brightened or darkened (gamma 0.8 or 1.25)",
    "turn_3": "turned by 3 degrees",
    "shift_2_px": "shifted by 2 pixels",
    "blend_70": "blended with 30 % of another image",
}
"""How a copy of each degradation level is called: "a copy that is ..."."""
UNLIKE: dict[str, str] = {
    "inverted": "the grey scale of the generated images is inverted",
    "other range": "the generated images have another grey range than the real ones",
    "other colours": "the generated images have other colours than the real ones",
}
CHECKS: dict[str, str] = {
    "blind": "the {whom} and the unused images can be told apart without the generated images",
    "preparation": "the {whom} and the unused images were not prepared alike",
    "member_only": "two random halves of the {whom} differ as much as the {whom} and the unused "
    "images do",
    "swapped": "images of another generator give the same signal",
}
"""What it means that a check failed, as a clause about the training images or the queried ones."""
HEADINGS: dict[str, str] = {
    "copies found": "Copies found",
    "leak found": "Leak found",
    "individuals stand out": "Individuals stand out",
    "not found": "Nothing found",
    "undecided": "Undecided",
}
GATES: dict[str, str] = {
    "open": "Gate open",
    "closed": "Gate closed",
    "undecided": "Gate undecided",
}
CARRIERS: dict[str, str] = {
    "mean": ": all are closer",
    "tail": ": a few stand out",
    "stack": ": a learned combination of the detectors tells them apart",
    "": "",
}
"""What the statistic that carries the set test says, as the end of a clause."""
BY_ROLES: tuple[Code, ...] = ("copies_of_unused", "copies_of_reference")
ALTHOUGH_NOTHING: tuple[Code, ...] = (
    "calibration_used",
    "checks_off",
    "planted_missed",
    "planted_not_possible",
    "bound_above_limit",
)
"""Reasons why an audit that found nothing is undecided."""
QUERIES_STAND: tuple[Code, ...] = (
    "copies",
    "set_test",
    "distribution",
    "repeated_runs",
    "nothing_found",
    *ALTHOUGH_NOTHING,
)
"""With these and no other code the p-values of single queries hold, and no clause tells them."""


def decision_text(decision: Decision) -> str:
    """The sentences of a decision: causes, missed levels, remedies."""
    return " ".join(decision_parts(decision))


def decision_parts(decision: Decision) -> tuple[str, ...]:
    """The same sentence by sentence: first what was found, then all others."""
    facts = decision.facts
    parts = [f"{HEADINGS[decision.state]}: {'; '.join(_causes(decision))}."]
    if decision.gate == "open":
        parts += _limits(decision)
    parts += [remedy_text(remedy, facts) for remedy in decision.remedy]
    return tuple(told_of(facts.kind, part) for part in parts)


def gate_line(decision: Decision) -> str:
    """What `--gate` prints: the way of the gate, its exit code, and the decision."""
    return f"{GATES[decision.gate]} (exit {decision.exit_code}): {decision.text}"


def missed_text(decision: Decision) -> str:
    """The degradations of which a single copy would be missed; "" if none would."""
    if not decision.missed:
        return ""
    told = f"A single copy could be missed if it was {_either(decision.missed)}."
    return told_of(decision.facts.kind, told)


def _limits(decision: Decision) -> list[str]:
    facts, told = decision.facts, []
    if seen := _seen(facts):
        told.append(seen)
    if missed := missed_text(decision):
        told.append(missed)
    if facts.copied_share is not None:
        told.append(
            f"At most {percent(facts.copied_share)} of the {unit_of(facts)}s have an unchanged "
            "copy in the generated set (95 % confidence)."
        )
    if facts.exposed_share:
        told.append(
            f"Up to {percent(facts.exposed_share)} of the {unit_of(facts)}s could be exposed in "
            "another way, and this audit would not have seen it."
        )
    return told


def _seen(facts: Facts) -> str:
    """What the set test would have seen; "" without one."""
    if facts.seen_auc is None:
        return ""
    seen = f"an AUC of {rounded_up(facts.seen_auc)}"
    if facts.seen_share is not None and facts.seen_share < 1:
        seen += f", and copies of {percent(facts.seen_share)} of the {unit_of(facts)}s"
    return f"The set test would have seen {seen} in four of five such audits."


def _causes(decision: Decision) -> list[str]:
    """One clause for each code; in forensic mode single queries come before the set."""
    facts, codes = decision.facts, decision.codes
    told: list[str] = []
    for code in codes:
        if code == "copies_of_reference" and "copies_of_unused" in codes:
            continue  # one clause speaks of both
        clause = _cause(code, decision)
        if code in ALTHOUGH_NOTHING and code == codes[0]:
            clause = f"nothing was found, but {clause}"
        told.append(clause)
    stands = p_values_hold(facts) and facts.auc is not None and set(codes) <= set(QUERIES_STAND)
    if facts.mode == "forensic" and stands:
        told.insert(1 if codes[0] == "copies" else 0, _queries(facts))
    return told


def p_values_hold(facts: Facts) -> bool:
    """Whether anything may be said of who stands out: no check failed, and no part was chosen."""
    return not facts.checks and not facts.part_of


def _queries(facts: Facts) -> str:
    """What is said of the single queries."""
    named = f"{'by statistics, beyond the copies, ' if facts.copies else ''}{_named(facts)}"
    if not facts.stand_out and not facts.chance:
        return named
    some = _stand_out(facts, plural(facts.stand_out, unit_of(facts)))
    return f"{named}, and {some} where chance explains {most_by_chance(facts)}"


def _cause(code: Code, decision: Decision) -> str:
    """One clause for each code."""
    facts, codes = decision.facts, decision.codes
    whom = _whom(facts)
    told = "generated_unread" in codes or "files_not_reached" in codes
    causes: dict[Code, str] = {
        "copies": _copied(facts),
        "copies_of_unused": _contradicted(decision),
        "copies_of_reference": _contradicted(decision),
        "generated_unread": f"{_unread(facts)} could not be read, and copies may be among them",
        "files_not_reached": "many files could not be read and nothing is known of them"
        + ("" if "generated_unread" in codes else f" ({_unread(facts)})"),
        "unread_unequal": "the share of files that could not be read differs between the folders"
        + ("" if told else f" ({_unread(facts)})"),
        "prepared_unlike": UNLIKE.get(facts.unlike, UNLIKE["other range"]),
        "check_failed": "; ".join(_failed(name, whom) for name in facts.checks),
        "finding_not_specific": _failed("swapped", whom),
        "patients_guessed": "many images look like slices of the same patients, whose other slices "
        "may count as further patients, and p-values are then too small",
        "selected_part": "an earlier audit asked about some of these images together with others "
        f"({plural(facts.part_of, 'image')} in all), so they may have been chosen by its answer, "
        "and chance alone can make chosen images stand out",
        "set_test": f"the generated images are closer to the {whom} than to unused images of the "
        f"same source{CARRIERS[facts.carried_by]} ({_area(facts)}, {_p(facts)})",
        "distribution": "a smooth set with the distribution of the generated images separates them "
        "as well, so this may be a difference of distribution, not of single images",
        "repeated_runs": f"these images were audited {plural(facts.runs, 'time')}, and the answers "
        f"do not agree: one run alone found something, and all runs together do not ({_p(facts)})",
        "patients_named": f"{_named(facts)} (at most 10 % of the names are expected to be false)",
        "beyond_chance": _stand_out(facts, f"{facts.stand_out:,} of {_targets(facts)}")
        + f", and chance explains {most_by_chance(facts)}",
        "nothing_to_test": "the status of every image is known already, so nothing is left to test",
        "uncalibrated": "there are no unused real images to compare with",
        "calibration_used": "the unused images are closer to the generated images than the "
        "reference images are, so some of them may have been used for training, which can hide a "
        "leak",
        "checks_off": "the validity checks were switched off",
        "planted_missed": "copies of unused images, put into the generated set as a check, were "
        "not found again",
        "planted_not_possible": "no copy could be put into the generated set to see whether it is "
        "found",
        "bound_above_limit": f"the AUC may be as high as {_upper(facts)} (95 % confidence; 0.5 is "
        f"guessing), and the limit is {facts.max_auc:g}",
        "nothing_found": _nothing(facts),
    }
    return causes[code]


def _copied(facts: Facts) -> str:
    kind = "training image" if facts.mode == "release" else "real image"
    of = plural(facts.copied_images, kind)
    if facts.patient_ids:
        of += f" of {plural(facts.copied_patients, 'patient')}"
    if facts.same_pixels:
        some = f"{facts.same_pixels:,} of them " if facts.same_pixels < facts.copies else ""
        of += f", {some}with exactly the same pixels"
    return f"{_are_copies(facts.copies)} of {of}"


def _contradicted(decision: Decision) -> str:
    n = decision.facts.copies_of_others
    roles = [code.removeprefix("copies_of_") for code in BY_ROLES if code in decision.codes]
    each = {"unused": "an unused", "reference": "a reference"}
    of = " and ".join(each[role] if n == 1 else role for role in roles)
    return (
        f"{_are_copies(n)} of {of} image{'' if n == 1 else 's'}, so either the generator was "
        "trained on images that were given as not used, or those are synthetic themselves"
    )


def _are_copies(n: int) -> str:
    return f"{plural(n, 'generated image')} {'is a copy' if n == 1 else 'are copies'}"


def _unread(facts: Facts) -> str:
    return f"{facts.unread:,} of {plural(facts.listed, f'{facts.role} file')}"


def _failed(check: str, whom: str) -> str:
    if check not in CHECKS:
        return "a validity check failed"
    return f"{CHECKS[check].format(whom=whom)} (failed check: {check})"


def _named(facts: Facts) -> str:
    how = "from the generated set" if facts.mode == "release" else "as used for training"
    return f"{facts.named_patients:,} of {_targets(facts)} can be named {how}"


def _nothing(facts: Facts) -> str:
    """What was looked for and not found; without a bound the test itself is told."""
    one = f"no generated image is a copy of a {_whom(facts)[:-1]}"
    named = "" if facts.mode == "forensic" else f", no {unit_of(facts)} can be named"
    if facts.auc_upper is None:
        return f"{one}{named}, and the set test shows no difference ({_area(facts)}, {_p(facts)})"
    return (
        f"{one}{named}, and the AUC is at most {_upper(facts)} (95 % confidence; 0.5 is guessing, "
        f"the limit is {facts.max_auc:g})"
    )


def percent(share: float) -> str:
    """A share as a percentage, with decimals only where they matter."""
    value = 100 * share
    if 0 < value < 0.01:
        return "0.01 %"
    return f"{value:.0f} %" if value >= 9.95 or value == round(value) else f"{value:.2g} %"


def plural(n: int, noun: str, many: str = "") -> str:
    """A count with its noun: "1 image", "1,200 images"."""
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def _whom(facts: Facts) -> str:
    return "training images" if facts.mode == "release" else "queried images"


def unit_of(facts: Facts, side: str = "") -> str:
    """What counts as one: a patient, or an image where patients are not known."""
    guessed = "guessed " if facts.guessed else ""
    return f"{guessed}{side}{'patient' if facts.patient_ids or facts.guessed else 'image'}"


def _targets(facts: Facts) -> str:
    return plural(
        facts.targets, unit_of(facts, "training " if facts.mode == "release" else "query ")
    )


def _stand_out(facts: Facts, who: str) -> str:
    return f"{who} {'stands' if facts.stand_out == 1 else 'stand'} out"


def most_by_chance(facts: Facts) -> str:
    """How many stand out by chance, as the end of a clause."""
    return f"at most {facts.chance:,}" if facts.chance else "none"


def _area(facts: Facts) -> str:
    if facts.auc is None:
        return "no AUC"
    auc = facts.auc
    return f"AUC {auc.value:.2f}, 95 % interval {auc.low:.2f} to {auc.high:.2f}"


def _upper(facts: Facts) -> str:
    return upper_text(facts.auc_upper or 0, facts.max_auc)


def upper_text(bound: float, limit: float) -> str:
    """An upper bound of the AUC, with the digits that it takes to tell it from the limit."""
    for digits in (2, 3, 4):
        told = f"{math.ceil(10**digits * bound - 1e-9) / 10**digits:.{digits}f}"
        if (float(told) < limit) == (bound < limit):
            break
    return told


def rounded_up(bound: float) -> str:
    """An upper bound with two digits, which never looks smaller than it is."""
    return f"{math.ceil(100 * bound - 1e-9) / 100:.2f}"


def _p(facts: Facts) -> str:
    if facts.p_value is None:
        return "no p-value"
    p = f"p = {facts.p_value:.2g}" if facts.p_value >= 1e-4 else "p < 0.0001"
    return f"{p} after correction for {facts.runs:,} runs" if facts.runs > 1 else p


def _either(levels: tuple[LevelCode, ...]) -> str:
    words = [LEVELS[level] for level in levels]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
