"""A message names options as the command line spells them; Python reads its own keywords."""

import re

_WORDS = {
    "--checks": "checks=True",
    "--no-checks": "checks=False",
    "--detector": "detectors=",
    "--force": "overwrite=True",
    "--model": "models=",
    "--option": "options",
    "--slices": 'dimensions="2d"',
    "--volumes": 'dimensions="3d"',
}
"""Options whose keyword is another word."""
_SWITCHES = ("assigned-by-lot", "harmonize", "include-derived", "null-all", "release-curve")
_NAMES = (
    *("cache", "cache-limit", "colour", "copy-to", "effort", "engine", "false-alarm-rate"),
    *("generated", "group-regex", "groups", "header", "kind", "layout", "max-auc", "max-share"),
    *("members", "non-members", "null-seeds", "out", "per-group", "query", "query-share"),
    *("reference", "samples", "seed", "seeds", "shared", "size", "unused", "used", "views"),
    *("window", "workers"),
)
KEYWORDS = (
    {f"--{name}": f"{name.replace('-', '_')}=" for name in _NAMES}
    | {f"--{name}": f"{name.replace('-', '_')}=True" for name in _SWITCHES}
    | _WORDS
)
"""Option to what a call of Python says. What only a command has (`--gate`) stands in no message
that Python can raise, or is left as it is."""
_OPTION = re.compile(r"(?<![\w/.-])(--[a-z][a-z-]*)(?![\w/-])(?: (?=[A-Z\d]|[a-z_\d]+[,.=]\w|"
                     r"[a-z\d]+_\w|(?:grey|local|high|mirror|drop)\b))?")  # fmt: skip
"""An option, and the blank before its value."""


def in_python(message: str) -> str:
    """The message with keywords in the place of options.

    >>> in_python("give --used and --unused, or --effort high without --no-checks.")
    'give used= and unused=, or effort=high without checks=False.'
    """

    def keyword(found: re.Match[str]) -> str:
        word = KEYWORDS.get(found[1])
        if word is None:
            return found[0]
        return word if word.endswith("=") else word + found[0][len(found[1]) :]

    return _OPTION.sub(keyword, message)
