"""Every sentence about a decision, made of its codes and facts; nothing else words a decision.

The text is one paragraph of plain sentences: what was found, what could have been missed, what to
do next. Terminal, report, gate and scrub print it as it is.
"""

from vestige.decision.records import Code, Decision, Facts, LevelCode, Remedy

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
CHECKS: dict[str, str] = {
    "blind": "the training images and the unused ones differ without the generated set",
    "conformity": "the training images and the unused ones were not prepared alike",
    "member_only": "two random parts of the training images differ as much",
    "swapped": "another generated set gives the same signal",
    "planted": "planted copies were not found again",
}
"""What it means that a check failed, as a clause."""
HEADINGS: dict[str, str] = {
    "copies found": "Copies found",
    "leak found": "Leak found",
    "individuals stand out": "Individuals stand out",
    "not found": "Nothing found",
    "undecided": "Undecided",
}
GATES: dict[str, str] = {
    "open": "Gate open (exit 0)",
    "closed": "Gate closed (exit 3)",
    "undecided": "Gate undecided (exit 4)",
}


def decision_text(decision: Decision) -> str:
    """The sentences of a decision: cause, missed levels, remedy."""
    facts = decision.facts
    heading = HEADINGS[decision.state]
    causes = [_cause(code, facts) for code in decision.codes]
    text = f"{heading}: {'; '.join(causes)}."
    parts = [text]
    if facts.mode == "forensic" and facts.auc is not None:
        parts.insert(0, _queries(facts))
    if decision.gate == "open":
        parts += _limits(decision)
    parts += [remedy_text(remedy, facts) for remedy in decision.remedy]
    return " ".join(parts)


def gate_line(decision: Decision) -> str:
    """What `--gate` prints: the way of the gate, its exit code, and the decision."""
    return f"{GATES[decision.gate]}: {decision.text}"


def missed_text(decision: Decision) -> str:
    """The degradations of which a single copy would be missed; "" if none would."""
    if not decision.missed:
        return ""
    return f"A single copy would be missed if it was {_either(decision.missed)}."


def _limits(decision: Decision) -> list[str]:
    facts, told = decision.facts, []
    if missed := missed_text(decision):
        told.append(missed)
    if facts.copied_share is not None:
        told.append(
            f"At most {percent(facts.copied_share)} of the patients have an unchanged copy in the "
            "generated set (95 % confidence)."
        )
    if facts.exposed_share:
        told.append(
            f"Up to {percent(facts.exposed_share)} of the patients could be exposed in other ways "
            "and not be seen by this audit."
        )
    return told


def _queries(facts: Facts) -> str:
    """What is said of the single queries, first of all in forensic mode."""
    certain = facts.copied_patients + facts.named_patients
    return (
        f"{certain:,} of {plural(facts.targets, 'query patient')} are copied or named; "
        f"{facts.stand_out:,} stand out, and chance explains up to {facts.chance:,}."
    )


def _cause(code: Code, facts: Facts) -> str:
    """One clause for each code."""
    whom = "training images" if facts.mode == "release" else "queried images"
    several = facts.copies != 1
    auc = (
        f"AUC {facts.auc.value:.2f}, 95 % interval {facts.auc.low:.2f} to {facts.auc.high:.2f}"
        if facts.auc
        else ""
    )
    p_value = f"p = {facts.p_value:.2g}" if facts.p_value is not None else ""
    if facts.runs > 1:
        p_value += f" after correction for {facts.runs} runs"
    upper = f"{facts.auc_upper:.2f}" if facts.auc_upper is not None else "unknown"
    needed = facts.groups_needed
    unlike = {
        "inverted": "the grey scale of the generated images is inverted",
        "other range": "the generated images have another grey range than the real ones",
    }
    causes: dict[Code, str] = {
        "copies": (
            f"{plural(facts.copies, 'generated image')} {'are copies' if several else 'is a copy'}"
            f" of {plural(facts.copied_images, 'real image')} of "
            f"{plural(facts.copied_patients, 'patient')}"
        ),
        "copies_of_unused": (
            f"{plural(facts.copies_of_others, 'generated image')} "
            f"{'are copies' if facts.copies_of_others != 1 else 'is a copy'} of unused images, so "
            "the hold-out was used for training or is itself synthetic"
        ),
        "copies_of_reference": (
            "generated images are copies of reference images, so the reference was used for "
            "training or is itself synthetic"
        ),
        "generated_unread": (
            f"{facts.unread:,} of {facts.listed:,} {facts.role} files were not read, and "
            "copies may be among them"
        ),
        "unread_unequal": (
            "the roles differ in the share of files that could not be read "
            f"({facts.unread:,} of {facts.listed:,} {facts.role} files)"
        ),
        "prepared_unlike": unlike.get(facts.unlike, "the generated images were prepared otherwise"),
        "check_failed": "; ".join(
            f"{CHECKS.get(name, 'a validity check failed')} (check {name!r} failed)"
            for name in facts.checks
        ),
        "finding_not_specific": (
            "another generated set, which cannot know the images, gives the same signal (check "
            "'swapped' failed)"
        ),
        "set_test": (
            f"the generated images are closer to the {whom} than to unused images of the same "
            f"source ({auc}, {p_value})"
        ),
        "repeated_runs": (
            f"these images were audited {facts.runs} times, and the runs do not agree ({p_value})"
        ),
        "patients_named": (
            f"{plural(facts.named_patients, 'patient')} can be named, with at most 10 % of the "
            "names expected to be false"
        ),
        "beyond_chance": (
            f"{plural(facts.stand_out, 'patient')} stand out, and chance explains at most "
            f"{facts.chance:,}"
        ),
        "nothing_to_test": "the status of every query is known already",
        "uncalibrated": "there are no unused real images to compare with",
        "checks_off": "the validity checks were switched off",
        "planted_missed": "planted copies of unused images were not found again",
        "planted_not_possible": "no copy could be planted to see whether it is found",
        "bound_above_limit": (
            f"nothing was found, but the AUC may be as high as {upper} (95 % confidence) and the "
            f"limit is {facts.max_auc:.2f}"
            + (f"; about {needed:,} patients on each side would do" if needed else "")
        ),
        "nothing_found": (
            f"no generated image is a copy of one of the {whom}, no patient is named, and the AUC "
            f"is below {upper} with 95 % confidence (limit {facts.max_auc:.2f})"
        ),
    }
    return causes[code]


def remedy_text(remedy: Remedy, facts: Facts) -> str:
    """What to do next, as a sentence."""
    needed = facts.groups_needed
    enough = f"{needed:,} or more" if needed else "more"
    remedies: dict[Remedy, str] = {
        "give_patient_ids": (
            "No patient ids were given, so images count as independent: give --groups or "
            "--group-regex."
        ),
        "withhold_copies": (
            "Withhold these images: `vestige scrub` lists them and audits what is left."
        ),
        "check_roles": (
            "Give a hold-out of real images that the generator never saw, and check that no folder "
            "was given in the place of another."
        ),
        "convert_unread": (
            "Convert these files to PNG, or remove them from the folder, and audit again."
        ),
        "prepare_alike": (
            "Give generated and real images with the same polarity and grey range, and audit again."
        ),
        "harmonize": (
            "Export all real images by the same steps, or let --conform prepare them alike, and "
            "audit again."
        ),
        "mend_split": (
            "Draw used and unused images by patient from one source, scanner and period, and audit "
            "again."
        ),
        "give_unused": (
            f"Give unused images (--unused) of {enough} patients of the same source, and audit "
            "again."
        ),
        "give_open_queries": "Give queries of unknown status, and audit again.",
        "run_checks": "Audit again without --no-controls.",
        "more_unused": "Give unused images of more patients (at least 22), and audit again.",
        "more_patients": (
            f"Give {enough} patients on each side, or state a higher limit (--max-auc) beforehand, "
            "and audit again."
        ),
        "fix_the_run": "Decide beforehand which run counts, and report that one.",
        "scrub_or_retrain": (
            "Do not release this set: withhold the images that `vestige scrub` lists, or train the "
            "generator anew (stop earlier, more images, less capacity)."
        ),
        "report_with_rate": (
            "Report it with its false-alarm rate; other images of the same patient may explain it."
        ),
        "report_no_conclusion": "Report no conclusion from this audit.",
        "board_decides": (
            "This is no proof of privacy: the board decides."
            if facts.mode == "release"
            else "Do not report the images as unused."
        ),
    }
    return remedies[remedy]


def percent(share: float) -> str:
    """A share as a percentage, with decimals only where they matter."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == round(value) else f"{value:.2g} %"


def plural(n: int, word: str) -> str:
    """A count with its noun: "1 image", "1,200 images"."""
    irregular = {"query patient": "query patients"}
    return f"{n:,} {word if n == 1 else irregular.get(word, word + 's')}"


def _either(levels: tuple[LevelCode, ...]) -> str:
    words = [LEVELS[level] for level in levels]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
