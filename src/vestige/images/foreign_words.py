"""What decoders say of a file, without what they quote from it.

A tag may hold the name of a patient, where a standard asks for a number or an identifier too, and
messages go into results that are passed on.
"""

import re

_QUOTED = re.compile(r"""(?<!\w)(?:b?'.*'|b?".*")(?!\w)""", re.DOTALL)
"""From the first quotation mark to the last: a value may hold such marks itself."""
_NUMBERS = re.compile(r"\d+(?:\.\d+){3,}")
"""Unique identifiers, such as those of studies."""
LEFT_OUT = "[...]"


def without_values(text: str) -> str:
    """A message with what it quotes, and unique identifiers, left out."""
    return _NUMBERS.sub(LEFT_OUT, _QUOTED.sub(LEFT_OUT, text))
