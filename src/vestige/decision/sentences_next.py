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


def next_command(decision: Decision, counts: Mapping[str, int]) -> str:
    """The command that withholds what the decision rests on, for these roles; "" for no such."""
    if not {"withhold_copies", "scrub_or_retrain"} & set(decision.remedy):
        return ""
    roles = ("generated", "used", "unused", "query", "reference")
    folders = " ".join(f"--{role} {role.upper()}" for role in roles if counts.get(role))
    return f"vestige scrub result.json {folders} --out keep.txt --copy-to RELEASE"
