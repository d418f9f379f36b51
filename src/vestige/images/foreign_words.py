"""What decoders say of a file, in our own words and without what they quote from it.

A tag may hold the name of a patient, where a standard asks for a number or an identifier too, and
messages go into results that are passed on. What a library says is also meant for programmers.
"""

import re

CUT_OFF = (
    "fewer bytes are there than its header promises (truncated?); copy it from its source again"
)
CODING = "it is stored in a way that is not read; save it again as PNG, or unpacked"
TOO_LARGE = "it is a possible decompression bomb; shrink or split it"
DAMAGED = "its header or its data are damaged; copy it from its source again"
REPAIRED_VALUE = "a value of its header is not valid"
REPAIRED_SIZE = "its length is not as its header says"
REPAIRED = "parts of it were repaired or passed over"

_SAID = (
    (r"decompression bomb|exceeds limit|too large|[Tt]ext memory", TOO_LARGE),
    (
        r"truncat|ended before|not enough|less than expected|EOF|could the file be damaged"
        r"|[Ee]xpected (?:to read )?\d+ bytes|only got|failed to read|not a zip file|incomplete",
        CUT_OFF,
    ),
    (
        r"[Uu]nsupported|not supported|not a transfer syntax|no (?:available )?decoder|requires the"
        r"|not implemented|not recognized|[Ee]ncrypted|[Pp]assword",
        CODING,
    ),
)
_WARNED = (
    (r"Invalid value|Value Representation|\bVR\b|character", REPAIRED_VALUE),
    (r"padding|sufficient to contain|larger than|excess|bytes", REPAIRED_SIZE),
)


def own_words(said: str) -> str:
    """Why a file cannot be decoded, by what a library said of it."""
    return next((ours for words, ours in _SAID if re.search(words, said)), DAMAGED)


def own_warning(said: str) -> str:
    """What a library repaired of a file, by its warning."""
    return next((ours for words, ours in _WARNED if re.search(words, said)), REPAIRED)
