"""The terms of the report in plain sentences; docs/glossary.md holds the same sentences."""

from vestige.decision.audited import Audited
from vestige.images.kinds import told_of
from vestige.report.blocks import Section, Terms
from vestige.report.kinds import kind_of_result
from vestige.schema.records import Q_LEVEL

GLOSSARY: dict[str, str] = {
    "Adjusted p-value": "A p-value that allows for having looked at several results at once. "
    "Use it to judge a single row of a table.",
    "AUC": "The share of pairs of one target and one calibration image in which the target has "
    "the higher score. 0.5 is guessing, 1 is certainty.",
    "Bound": "The largest value that is still compatible with what was seen, with 95 % "
    "confidence. The gate opens only if the bound of the AUC is below a limit.",
    "Calibration images": "Real images that were not used for training (given as unused). They "
    "show how high images score that were not used, and all p-values compare with them. They are "
    "also called unused images and, in 0.1, controls.",
    "Copy": "A generated image that has the pixels of a real image, or is nearer to it than "
    "chance explains. The real image is then called a copy as well.",
    "Decision": "The answer to the whole question: copies found, leak found, individuals stand "
    "out, nothing found, or undecided. One function makes it from all the evidence.",
    "Detector": "A method that gives each real image a score: the higher the score, the more "
    "likely the image was used for training.",
    "Epsilon": "The strength of a differential privacy guarantee: 0 gives away nothing. An audit "
    "can only show that it is at least a certain value.",
    "False-alarm rate": "The share of unused images that stand out by chance. The user chooses "
    "it; the usual value is 5 %.",
    "Finding": "What is said of one real image: copy, named, stands out, no evidence or "
    "uncalibrated. It is a statement about the patient of the image.",
    "Forensic": "An audit that asks which of the queried images were used for training.",
    "Gate": "The answer for a script: open (0), closed (3) or undecided (4) as the exit code.",
    "Generated images": "The synthetic images under audit.",
    "Group": "Images that belong together, because they are of one patient or look alike. "
    "Statistics count groups and not images.",
    "Harmonize": "To prepare all images alike before they are scored, so that differences of "
    "preparation do not look like training.",
    "Interval": "A range that contains the true value in 95 % of such audits. Whole patients are "
    "drawn for it, never single images of a patient.",
    "KS": "The largest gap between two distributions, from 0 (equal) to 1 (apart).",
    "Manifest": "The list of versions, options and digests with which an audit can be repeated.",
    "Named": "The patient of the image can be named as used for training: of all patients that "
    f"are named, at most one in ten is expected to be false (q-value at most {Q_LEVEL:.2f}).",
    "Near copy": "A copy whose pixels are not equal to those of the real image, but nearer to it "
    "than any generated image is to the calibration images.",
    "No evidence": "The image does not score higher than unused images do. This does not show "
    "that it was not used.",
    "p-value": "The probability that chance alone gives a score or a difference at least this "
    "large, if no target was used for training. It is not the probability that an image was not "
    "used.",
    "Patients": "The people in the images. They come from a table, from the file names or from "
    "DICOM; else they are guessed, and images that look alike count as one patient.",
    "Planted copy": "A copy of a calibration image that the audit itself puts into the generated "
    "set, to see whether it would be found.",
    "q-value": "The share of false names that is expected if this patient and all with a smaller "
    "q-value are named.",
    "Query": "A real image of unknown status, about which a forensic audit asks.",
    "Rank": "The place of an image among the calibration images, as a score on the normal scale: "
    "0 is their middle, and 2 is above about 98 % of them.",
    "Reference": "Further real images that were not used. Detectors learn from them; no p-value "
    "compares with them.",
    "Release": "An audit that asks whether the generated images may be released without giving "
    "away whose images trained the generator.",
    "Release curve": "The AUC against the number of released images, measured on random parts of "
    "the generated set.",
    "Score": "A number for one image. A higher score always means: more likely used.",
    "Set test": "The test of the whole set: are the targets closer to the generated images than "
    "the calibration images are? It gives one AUC and one p-value.",
    "Similarity": "How alike two images are; 1 means equal.",
    "Smallest visible AUC": "The smallest AUC that this audit would have noticed in four of five "
    "cases. A smaller leak may go unseen.",
    "Stands out": "The p-value of the image is at most the false-alarm rate. Some unused images "
    "stand out too, by chance.",
    "Targets": "The real images that are judged: the training images in a release audit, the "
    "queries in a forensic one. In 0.1 they were called suspects.",
    "Uncalibrated": "There are too few calibration images, or a validity check failed, so nothing "
    "can be said of the image.",
    "Undecided": "The audit can say neither yes nor no. The report tells what is missing.",
    "Unused": "A real image of the same source that was not used for training.",
    "Used": "A real image with which the generator was trained.",
    "Validity check": "An experiment on manipulated data whose right answer is known. A failed "
    "check can take an answer back; none makes an answer stronger. In 0.1 it was called a control.",
    "View": "A symmetry in which copies are looked for, such as mirrored or turned by a quarter.",
    "Weight": "The part of one detector in the combined score.",
}
"""Each term with one to three plain sentences."""
LABELS: dict[str, str] = {
    "adjusted p": "Adjusted p-value",
    "Images that stand out": "Stands out",
    "p": "p-value",
    "q": "q-value",
    "Check": "Validity check",
    "Copies": "Copy",
    "Groups": "Group",
    "95 % interval": "Interval",
}
"""Headings of the page that are a term in another form."""


def anchor(label: str) -> str:
    """The id of the term that a heading of the page uses; "" for none."""
    term = LABELS.get(label, label)
    return f"word-{term.lower().replace(' ', '-')}" if term in GLOSSARY else ""


def glossary(result: Audited) -> Section | None:
    """Every term of the page; the first heading that uses one links to it."""
    kind = kind_of_result(result)
    terms = tuple((anchor(term), term, told_of(kind, said)) for term, said in GLOSSARY.items())
    return Section("words", "Words", (Terms(terms),), folded=True)
