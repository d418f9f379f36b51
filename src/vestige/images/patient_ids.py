"""Patient ids: how they are compared, which name nobody, and their digests."""

import hashlib
import unicodedata

PLACEHOLDERS = (
    "ANON", "ANONYM", "ANONYMISED", "ANONYMIZED", "ANONYMOUS", "DE-IDENTIFIED", "DEIDENTIFIED",
    "N/A", "NA", "NO ID", "NOID", "NONE", "NULL", "PATIENT", "PATIENTID", "REMOVED", "UNDEFINED",
    "UNKNOWN",
)  # fmt: skip
"""Patient ids that name nobody."""


def folded(patient: str) -> str:
    """A patient as it is compared: "P1 " is "p1"."""
    return " ".join(unicodedata.normalize("NFC", patient).casefold().split())


def is_placeholder(patient: str) -> bool:
    """Whether an id names nobody."""
    return folded(patient) in _FOLDED


def digest(text: str) -> str:
    """sha256 (hex), "" for no text: ids of people leave a file only so."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest() if text else ""


_FOLDED = {folded(word): word for word in PLACEHOLDERS}
_WORDS = {digest(text): word for text, word in _FOLDED.items()}


def placeholder(alias: str) -> str:
    """The placeholder of which this is the digest, "" for another."""
    return _WORDS.get(alias, "")
