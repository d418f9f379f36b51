"""The records of what is said of one image and of one patient, and the one word for each."""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["query", "used"]
FindingVerdict = Literal["used", "no evidence", "uncalibrated"]
Word = Literal["copy", "known used", "named", "stands out", "no evidence", "uncalibrated"]
WORDS: tuple[Word, ...] = get_args(Word)
"""What is said of an image or a patient, the strongest word first."""
Relation = Literal["same patient used", "unrelated", ""]
Q_LEVEL = 0.10
"""Patients are named up to this q-value: the expected share of false names (methods.md 4.2)."""


@dataclass(frozen=True)
class Evidence:
    """A generated image near a real one; similarity is a cosine, -1..1."""

    generated: str
    similarity: float


@dataclass(frozen=True)
class Share:
    """A column of evidence and its part, 0..1."""

    column: str
    share: float


@dataclass(frozen=True)
class Finding:
    """What is said of one real image.

    score : rank among unused images on the normal scale, higher = more likely used
    p_value, q_value : of the image; of its patient. None where its answer is known
    verdict : "used" for a copy, a named or a known used image; a small p alone is not enough
    evidence : the nearest generated images, a copy first
    stands_out : p is at most the asked false-alarm rate, and no failed check takes that back
    copied : a generated image is a copy of it, as `AuditResult.copies` says
    """

    id: str
    group: str
    role: Role
    score: float
    p_value: float | None
    q_value: float | None
    verdict: FindingVerdict
    columns: dict[str, float]
    evidence: tuple[Evidence, ...] = ()
    carried_by: tuple[Share, ...] = ()
    """The columns that raise the score most, with their parts of what raises it."""
    relation: Relation = ""
    """Whether its patient has known used images; "" where no patient or no used image is known."""
    stands_out: bool = False
    copied: bool = False

    @property
    def word(self) -> Word:
        """The one word that terminal, report and findings.csv say of it."""
        return word_of(self)

    @property
    def similarity(self) -> float | None:
        """Of the nearest generated image, or of its copy: a cosine, -1 to 1."""
        return self.evidence[0].similarity if self.evidence else None

    @property
    def called(self) -> bool:
        """Whether it counts as used at the asked false-alarm rate, or that is a fact."""
        return self.stands_out or self.word in ("copy", "known used")


@dataclass(frozen=True)
class PatientFinding:
    """What is said of one patient, from all their target images together.

    images, called_used : target images, and those of them with the verdict "used"
    p_value, q_value : of the patient, against unused patients
    carried_by : what made p small, the best image or the mean over all
    verdict, stands_out, copied : as of a `Finding`
    """

    patient: str
    images: int
    called_used: int
    p_value: float | None
    q_value: float | None
    verdict: FindingVerdict
    relation: Relation = ""
    carried_by: Literal["best image", "mean", ""] = ""
    stands_out: bool = False
    copied: bool = False

    @property
    def word(self) -> Word:
        """The one word that is said of the patient."""
        return word_of(self)


def word_of(one: Finding | PatientFinding) -> Word:
    """What is said of an image or a patient: facts about pixels first, then names, then p."""
    if one.copied:
        return "copy"
    if one.verdict == "used":
        return "named" if one.q_value is not None and one.q_value <= Q_LEVEL else "known used"
    if one.verdict == "uncalibrated":
        return "uncalibrated"
    return "stands out" if one.stands_out else "no evidence"
