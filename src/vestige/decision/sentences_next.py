"""What to do next: the sentences of the remedies of a decision, and the command to run."""

from collections.abc import Mapping

from vestige.decision.records import Decision, Facts, Remedy


def remedy_text(remedy: Remedy, facts: Facts) -> str:
    """What to do next, as a sentence."""
    needed, release = facts.groups_needed, facts.mode == "release"
    enough = f"{needed:,} or more" if needed else "more"
    remedies: dict[Remedy, str] = {
        "give_patient_ids": "No patient ids were given, so images that do not look alike count as "
        "patients of their own: give --groups or --group-regex.",
        "withhold_copies": "Withhold every copy: `vestige scrub` lists them and audits the rest."
        if release
        else "Report every pair: the real image was used for training, or a near copy of it was.",
        "check_roles": "Give unused and reference images that are real and that the generator "
        "never saw, and check that no roles are swapped, so that one folder stands for another.",
        "convert_unread": "Convert these files to PNG, or remove them from the folder, and audit "
        "again.",
        "reach_files": "Look in the problems for the reason, mend the storage, the permissions or "
        "the formats, and audit again.",
        "prepare_alike": "Give generated and real images with the same polarity, grey range and "
        "colours, and audit again.",
        "harmonize": "Export all real images by the same steps, or let --harmonize prepare them "
        "alike, and audit again.",
        "mend_split": f"Draw {'used' if release else 'queried'} and unused images by patient from "
        "one source, scanner and period, and audit again.",
        "give_unused": f"Give unused images (--unused) of {enough} patients of the same source, "
        "and audit again.",
        "clean_unused": "Give unused images that the generator never saw, and reference images of "
        "the same source, and audit again.",
        "give_open_queries": "Give queries whose status is not known, and audit again.",
        "run_checks": "Audit again without --no-checks.",
        "all_detectors": "Audit again with all detectors: leave out --detector, or give --effort "
        "high.",
        "more_unused": "Give unused images of more patients (22 or more), and audit again.",
        "more_patients": f"Give {enough} patients on each side, or state a higher limit "
        "(--max-auc) before you see the answer, and audit again.",
        "fix_the_run": "Decide beforehand which run counts, and report that one.",
        "audit_all_asked": "Audit all images of both questions together: only that answer counts.",
        "scrub_or_retrain": "Do not release this set: withhold the images that `vestige scrub` "
        "lists, or train the generator anew (stop earlier, with more images or a smaller model).",
        "report_with_rate": "Report this finding with its false-alarm rate: other images of the "
        "same patient may explain it.",
        "report_no_conclusion": "Report no conclusion from this audit.",
        "clean_assumed": "It is assumed that no unused image was used for training: only a larger "
        "reference (--reference) could show it.",
        "board_decides": "This does not prove that the set is private: whether it is released "
        "stays the decision of the board."
        if release
        else "This does not prove that the images were not used: do not report them as unused.",
    }
    return remedies[remedy]


REAUDIT: dict[Remedy, str] = {
    "give_patient_ids": "--groups PATIENTS.csv",
    "harmonize": "--harmonize",
    "give_unused": "--unused UNUSED",
    "clean_unused": "--reference REFERENCE",
    "all_detectors": "--effort high",
}
"""What a remedy adds to the command of the audit."""
NO_AUDIT: frozenset[Remedy] = frozenset({"fix_the_run", "report_no_conclusion"})
"""Remedies after which no further audit counts."""


def next_command(decision: Decision, counts: Mapping[str, int], groups: str = "") -> str:
    """The command to run next, for images of these roles; "" where none is left to run.

    After a finding it withholds what the decision rests on, or writes the page that may be passed
    on; after an audit that found nothing it starts the document for a board; an audit that could
    not decide is made again as its remedies say. Words in capitals stand for files of the user.

    groups : the option that gave the groups of the audit, "" where none did
    """
    remedies, release = decision.remedy, decision.facts.mode == "release"
    given = [f"--{role} {role.upper()}" for role in _ROLES if counts.get(role)]
    folders = " ".join([*given, *([f"{groups} {_GROUPS[groups]}"] if groups else [])])
    if decision.gate == "undecided":
        if "fix_the_run" in remedies or set(remedies) <= NO_AUDIT:
            return ""
        added = (REAUDIT[one] for one in remedies if one in REAUDIT)
        more = " ".join(one for one in added if one not in folders)
        return f"vestige audit {folders} {more}".strip() + " --out AUDIT"
    if not release:
        return "vestige report result.json --redact --out REPORT.html"
    if decision.gate == "open":
        return "vestige report result.json --annex-template --out CONTEXT.toml"
    return f"vestige scrub result.json {folders} --out KEEP.txt --copy-to RELEASE"


def next_lead(decision: Decision) -> str:
    """What the next command does, in front of it."""
    if decision.gate == "undecided":
        return "Next, when this is done (words in capitals are your files and folders):"
    if decision.facts.mode == "forensic":
        return "Next, to pass the answer on without names and pictures:"
    if decision.gate == "open":
        return "Next, to start the document for the board:"
    return "Next, with the folders of the audit:"


_GROUPS = {"--groups": "PATIENTS.csv", "--group-regex": "EXPRESSION"}
_ROLES = ("generated", "used", "unused", "query", "reference")
