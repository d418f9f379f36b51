"""Every sentence of the annex for a board; the numbers are filled in by `annex_evidence`."""

from datetime import date

NOT_STATED = "not stated"
TITLE = "Membership audit of a synthetic data set"
SUBTITLE = "Annex for a data protection impact assessment or an ethics file"
REDACTED = (
    "This document holds no file name, no patient identifier, no path, no value of a DICOM tag and "
    "no picture, except where its authors wrote one into their own statements."
)
WITH_NAMES = (
    "This document names patients and values of small subgroups. Treat it as patient data, and do "
    "not pass it on outside of the institution."
)
STATED = (
    "Rows marked “stated” come from the controller, and vestige did not verify them. All other "
    "rows come from the audit."
)

SECTIONS = {
    "document": "1. Document",
    "data_set": "2. Generated data set",
    "release": "3. Release",
    "generator": "4. Generator",
    "split": "5. Training images and unused images",
    "criteria": "6. Criteria, evidence, and what is not covered",
    "attacker": "7. Attacker",
    "rule": "8. Decision rule",
    "worst": "9. Worst case",
    "risk": "10. Residual risk",
    "checks": "11. Validity checks",
    "measures": "12. Measures",
    "sign_off": "13. Sign-off",
}
APPENDIX = {
    "notes": "A. Statements in full",
    "subgroups": "B. All subgroups",
    "levels": "C. Degraded copies that were planted",
    "detectors": "D. Detectors",
    "manifest": "E. How to repeat the audit",
    "words": "F. Terms",
    "sources": "G. Documents",
}

LABELS = {
    "document.institution": "Institution",
    "document.controller": "Controller",
    "document.auditor": "Auditor",
    "document.contact": "Contact",
    "document.date": "Date",
    "document.purpose": "Purpose",
    "document.version": "Version of this document",
    "document.next_review": "Next review",
    "data_set.name": "Name",
    "data_set.version": "Version",
    "data_set.doi": "DOI",
    "data_set.images": "Images",
    "data_set.sha256": "SHA-256 of the release",
    "data_set.licence": "Licence",
    "release.access": "Access",
    "release.recipients": "Recipients",
    "release.other_releases": "Other releases of the same real images",
    "generator.family": "Family",
    "generator.parameters": "Parameters",
    "generator.epochs": "Epochs",
    "generator.training_images": "Training images",
    "generator.training_patients": "Training patients",
    "generator.privacy": "Differential privacy",
    "generator.augmentation": "Augmentation",
    "generator.deduplication": "Deduplication",
    "split.by_lot": "Drawn by lot",
    "split.by_patient": "Drawn by patient",
    "split.dates": "Dates",
    "split.scanners": "Scanners",
    "split.description": "Description",
    "attacker.holds": "The attacker holds",
    "attacker.not_tried": "Not tried",
    "rule.fixed_on": "Rule fixed on",
    "rule.fixed_where": "Rule written down in",
    "rule.earlier_runs": "Earlier audits of the same images",
    "measures.access_conditions": "Conditions of access",
    "measures.other": "Other measures",
}
"""How each key of context.toml is called in the document."""
AUDITED = {
    "made_on": "Audit made on",
    "images": "Images in the audit",
    "unread": "Files that could not be read",
    "sha256": "SHA-256 of the images in the audit",
    "reals": "Real images in the audit",
    "patients": "Patients",
    "attacker": "The audit assumes that the attacker holds",
    "not_tried": "The audit did not try",
    "rule": "Rule",
    "rate": "False-alarm rate",
    "earlier": "Earlier audits that the cache folder knows",
    "missed": "Copies that could be missed",
    "auc": "AUC of the set test",
    "smallest": "Smallest visible AUC",
    "upper": "Upper bound of the AUC",
    "unchanged": "Patients with an unchanged copy",
    "exposed": "Patients exposed in another way and not seen",
    "epsilon": "Epsilon of differential privacy",
    "withheld": "Withheld images",
}
"""How what the audit gives is called in the document."""
NOT_WHOLE = " (the controller states {whole}, so the audit is not of the whole set alone)"
PATIENTS = "{groups} patients or groups; patients were {how}"
PATIENTS_GIVEN = "given by those who made the audit"
PATIENTS_GUESSED = "not given, so images that look alike count as one patient"
EARLIER_UNKNOWN = "unknown, because no cache folder was given"

SINGLING_OUT, LINKABILITY, INFERENCE = "Singling out", "Linkability", "Inference"
COPIES_NOT_SEARCHED = "Copies were not searched for."
COPIES_NONE = "No generated image is a copy of a real image in the views that were searched."
SINGLING_OUT_NO_P = "No p-value holds, so nothing is said of who else stands out."
LEVELS_HEAD = ("A copy that is", "Named", "Patients, at most", "A single copy")
LEVEL_MISSED, LEVEL_SEEN = "could be missed", "is seen"
DETECTORS_HEAD = ("Detector", "AUC", "adjusted p", "Weight")
DETECTORS_MORE = "The {shown} of {total} with the largest weights."
MANIFEST = {
    "question": "Question",
    "kind": "Images compared",
    "python": "Python",
    "packages": "Packages",
    "seed": "Seed",
    "started": "Started",
    "sha256": "SHA-256 of {role} images",
}
GREY = "grey images"

CRITERIA_HEAD = ("Criterion", "Evidence", "Not covered")
CRITERIA = (
    "The criteria are those of the Article 29 Working Party (opinion 05/2014): singling out, "
    "linkability and inference."
)
SINGLING_OUT_LEFT = (
    "Attackers with access to the generator, and methods that none of the detectors uses."
)
LINKABILITY_LEFT = (
    "Links to other data sets, to health records, and to other releases of the same real images."
)
INFERENCE_EVIDENCE = "Not tested."
INFERENCE_LEFT = (
    "Whether the generated images allow anybody to infer a diagnosis, an age or another attribute "
    "of a person."
)
ONE_IMAGE_EACH = (
    "Every target patient has one image, so there were no links between images to test."
)
NO_PATIENTS = (
    "No patient identifiers were given, so links between the images of a patient were not tested."
)

ATTACKER_AUDIT = (
    "All generated images, the real images in question, and real images of the same source that "
    "were not used for training."
)
ATTACKER_LEFT = "Access to the generator: its weights, its loss values, and text prompts."

RULE_OPEN = (
    "The set may be released by this audit only if no generated image is a copy of a target, no "
    "patient can be named, no more patients stand out than chance explains, the set test finds "
    "nothing, the validity checks pass, every file was read, and the upper bound of the AUC is "
    "below {limit}."
)
RULE_FORENSIC = (
    "This audit asked which of the queried images were used for training. A finding needs a copy, "
    "a patient that can be named, a set test that finds something, or more patients that stand out "
    "than chance explains."
)
RULE_LATE = "{day}. This is later than the audit, so the rule was not fixed before it."

WORST = (
    "The patients with the strongest evidence, by their strongest image. The rank orders all "
    "patients; it is not a probability."
)
WORST_NONE = "The result holds no target image, so there is no worst case to show."
WORST_NO_P = (
    "No p-value of this audit holds, because a validity check failed or because the images may "
    "have been chosen by an earlier audit. Only copies are facts here."
)
WORST_UNCALIBRATED = (
    "There were no unused images to compare with, so no p-value could be computed. Only copies are "
    "facts here."
)
WORST_HEAD = ("Rank", "Verdict", "p", "q", "Images")
SUBGROUPS_NONE = "Subgroups: not stated."
SUBGROUPS = (
    "Patients by subgroup. “At most” is an exact upper bound, by patient: the largest share of "
    "the subgroup of whom an unchanged copy can be in the generated set (95 % confidence, for each "
    "row alone). A small subgroup has a high bound because few patients say little. A difference "
    "between two rows is not a test."
)
SUBGROUPS_HEAD = ("Subgroup", "Patients", "Copied", "Named", "Stand out", "At most")
SMALL_CELLS = (
    "Values that fewer than {least} patients have are put together, because a small subgroup may "
    "point to a person."
)
SUBGROUPS_MORE = "The other subgroups are in appendix B."
SMALL = "values with fewer than {least} patients"
SEVERAL = "several values"
UNLISTED = "not stated"

RISK_CLOSED = (
    "The audit found what the decision above says. The numbers below are about what was found and "
    "what could have been missed, together."
)
RISK_VOID = (
    "No bound holds, because {why}. The audit says nothing about the residual risk beyond the "
    "decision above."
)
RISK_OPEN = (
    "The audit found nothing that closes the gate. “Nothing found” does not mean that the set is "
    "private: the risk that remains is bounded as follows."
)
RISK_UNDECIDED = (
    "The audit could not decide. The numbers below bound the risk only if the reason that the "
    "decision gives is removed."
)
WHY_CHECK = "a validity check failed"
WHY_PART = "the images may have been chosen by an earlier audit"
WHY_UNCALIBRATED = "there were no unused images to compare with"
MISSED_NONE = (
    "None of the planted levels. Copies that are degraded in another way were not planted."
)
NOT_PLANTED = "No copies were planted, so it is not known which ones would be missed."
NO_UPPER_EPSILON = "No audit gives an upper bound on epsilon."

CHECKS = (
    "The right answer of each of these experiments is known in advance. A failed check can take an "
    "answer back, and no check makes an answer stronger."
)
CHECKS_HEAD = ("Check", "Outcome", "What it asks", "What a failure means")
CHECKS_NONE = "The validity checks were switched off, so this audit can open no gate."
FAILURES = {
    "blind": "The {whom} and the unused images differ by themselves, so a finding may have nothing "
    "to do with training.",
    "preparation": "The {whom} and the unused images were prepared in different ways, so a finding "
    "may come from the preparation.",
    "member_only": "Two random halves of the {whom} differ as much as the {whom} and the unused "
    "images do, so a finding may be chance.",
    "swapped": "Images of another generator give the same signal, so a finding says nothing about "
    "this generator.",
    "planted": "Copies that the audit itself planted were not found again, so it could have missed "
    "a leak.",
    "clean_calibration": "Some of the unused images may have been used for training, which can "
    "hide a leak.",
    "smooth": "A smooth set with the same distribution gives the same signal, so a finding may be "
    "a difference of distribution and not of single images.",
}
"""What a failed check means, by its name; `whom` are the training images or the queried ones."""
FAILURE_BY_EFFECT = {
    "any": "No answer of the audit holds.",
    "finding": "A finding of the audit does not hold.",
    "none": "No answer is taken back, and the decision says what follows.",
}
"""The same for other checks, by what they take back."""

SCRUB_NONE = "not stated (no log of a scrub was given)"
SCRUB = "{gone} of {total} generated images were withheld: {why}."
SCRUB_NOTHING = "No generated image was withheld."
SCRUB_BEFORE = "The audit of this document is of the set before they were withheld."
SCRUB_AFTER = "The audit of this document is of the images that were left."
SCRUB_REST = "Decision on the images that were left: {heading}."
SCRUB_WHY = {
    "same pixels": "{n} with the pixels of a real image",
    "near copy": "{n} as near copies of a real image",
    "whitened cosine": "{n} that are nearer to a real image than generated images are to unused "
    "ones (whitened cosine)",
    "distance": "{n} that are nearer to a real image than generated images are to unused ones "
    "(distance)",
    "nearest": "{n} as the nearest ones to an image that stands out",
}
"""Why images were withheld, by the reason in the log of a scrub."""

NOT_DECIDING = (
    "The tool does not decide. It reports evidence. Whether the set is released, to whom and under "
    "which conditions is decided by those who sign below."
)
SIGN_HEAD = ("Role", "Name", "Date", "Signature")
SIGN_ROLES = {
    "data_protection_officer": "Data protection officer",
    "controller": "Controller",
}

SOURCES_LEAD = (
    "The criteria of section 6 are those of the first document. The others are named for the "
    "reader, and nothing in this document quotes them."
)
SOURCES = (
    "Article 29 Working Party, opinion 05/2014",
    "European Data Protection Board, opinion 28/2024",
    "CNIL, letter on Anonymeter of 13 February 2023",
    "Regulation (EU) 2025/327 on the European Health Data Space, article 66",
    "NIST SP 800-226",
    "Personal Data Protection Commission of Singapore, guide of 2024",
)
TERMS = (
    "AUC",
    "Bound",
    "Copy",
    "Epsilon",
    "False-alarm rate",
    "Named",
    "p-value",
    "Planted copy",
    "q-value",
    "Rank",
    "Set test",
    "Smallest visible AUC",
    "Stands out",
    "Targets",
    "Unused",
    "Validity check",
)
"""The terms of the glossary that the document uses."""
SEE_NOTE = "{start} … (in full in appendix A, note {number})"
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def day(when: date) -> str:
    """A date in words: "30 November 2026", whatever the language of the machine."""
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def day_of(timestamp: str) -> str:
    """The day of an ISO timestamp in words; the text itself where it is no timestamp."""
    try:
        return day(date.fromisoformat(timestamp[:10]))
    except ValueError:
        return timestamp


def yes_or_no(flag: bool | None) -> str | None:
    """A flag in words; None stays."""
    return None if flag is None else "yes" if flag else "no"
