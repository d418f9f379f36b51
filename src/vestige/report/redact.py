"""Leave hashes and aggregates only: a result that may be shown to people without patient access.

Every name becomes 12 hex digits of a keyed hash. The key is random and thrown away, so nobody can
test guessed file names against the hashes, and two redacted reports cannot be joined; within one
report the same name keeps the same hash.
"""

import re
import secrets
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from vestige.result import AuditResult, Calibration, Evidence, Finding

_ROLES = ("generated", "query", "used", "unused", "reference")
_WORD_OPTIONS = ("mode", "detectors", "pool", "combination", "controls", "backbones")
"""Options whose texts are vestige's own words; any other text may be a path or a host."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_OWN_WORDS = frozenset(
    {"generated", "query", "queries", "used", "unused", "reference", "real", "image", "images",
     "group", "groups", "patient", "patients", "control", "controls", "detector", "detectors",
     "finding", "findings", "synthetic", "training", "train", "set", "sets", "found", "file",
     "files", "error", "warning", "problem", "problems", "score", "scores", "clustering",
     "cluster", "clusters", "near"}
)  # fmt: skip
_PATH = re.compile(
    r"""(?:[A-Za-z]:)?[^\s'"(){}\[\]<>,;]*[/\\][^\s'"(){}\[\]<>,;]*"""  # has a slash
    r"""|[\w-]+\.[A-Za-z][A-Za-z0-9]{1,7}\b(?:\#\d+)?"""  # or ends like a file
)
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|“[^”]*”|`[^`]*`|‘[^’]*’""")
_REMOVED = "[removed]"


def redact(result: AuditResult, key: bytes | None = None) -> AuditResult:
    """Replace every name in a result by a keyed hash and drop pictures and paths.

    Parameters
    ----------
    result : AuditResult
        Left unchanged.
    key : bytes, up to 64, optional
        Secret of the hash; random and forgotten when not given. Only tests give one.

    Returns
    -------
    AuditResult
        Same numbers and verdicts; ids, groups and problem paths hashed; texts freed of names,
        paths and (in problems) quotations; options without texts of the user; no thumbnails;
        ``manifest.options["redacted"]`` is true.
    """
    hide = _Hider(key or secrets.token_bytes(32), _names(result))
    made = result.manifest
    options = {k: _plain_option(k, v) for k, v in made.options.items() if _IDENTIFIER.fullmatch(k)}
    return replace(
        result,
        question=replace(result.question, groups_from=hide.text(result.question.groups_from)),
        findings=tuple(_finding(f, hide) for f in result.findings),
        controls=tuple(
            replace(
                c,
                vetoes=hide.text(c.vetoes),
                details={hide.text(name): figure for name, figure in c.details.items()},
            )
            for c in result.controls
        ),
        set_measures=tuple(replace(m, says=hide.text(m.says)) for m in result.set_measures),
        verdict=replace(result.verdict, why=hide.text(result.verdict.why)),
        problems=tuple(
            replace(p, path=hide.path(p.path), what=hide.text(_QUOTED.sub(_REMOVED, p.what)))
            for p in result.problems
        ),
        manifest=replace(
            made,
            options=options | {"redacted": True},
            inputs_sha256={
                hide.path(k): v if k in _ROLES else hide.name(v)
                for k, v in made.inputs_sha256.items()
            },
            weights_sha256={hide.name(k): v for k, v in made.weights_sha256.items()},
        ),
        calibration=Calibration(
            tuple(map(hide.name, result.calibration.ids)),
            tuple(map(hide.name, result.calibration.groups)),
            result.calibration.scores,
        ),
        thumbnails={},
    )


class _Hider:
    """Hashes names under one key, and finds known names inside sentences."""

    def __init__(self, key: bytes, names: set[str]) -> None:
        self.key = key
        self.known = names
        self.longest = max(map(len, names), default=0)

    def name(self, text: str) -> str:
        data = text.encode("utf-8", errors="surrogatepass")
        return blake2b(data, key=self.key, digest_size=6).hexdigest() if text else ""

    def path(self, text: str) -> str:
        """A path that may also be a role, which is nobody's name."""
        return text if text in _ROLES else self.name(text)

    def text(self, sentence: str) -> str:
        """Hash every known name that stands in a sentence, the longest first; drop paths."""
        edges = [0, *(i for i in range(1, len(sentence)) if _edge(sentence, i)), len(sentence)]
        out, at = "", 0
        for i, start in enumerate(edges):
            if start < at:
                continue
            ends = [e for e in edges[i + 1 :] if e - start <= self.longest]
            end = next((e for e in reversed(ends) if sentence[start:e] in self.known), None)
            if end is not None:
                out += sentence[at:start] + self.name(sentence[start:end])
                at = end
            else:
                following = edges[i + 1] if i + 1 < len(edges) else len(sentence)
                out += sentence[at:following]
                at = following
        return _PATH.sub(_REMOVED, out)


def _edge(text: str, i: int) -> bool:
    return not (text[i - 1].isalnum() and text[i].isalnum())


def _finding(finding: Finding, hide: _Hider) -> Finding:
    return replace(
        finding,
        id=hide.name(finding.id),
        group=hide.name(finding.group),
        evidence=tuple(Evidence(hide.name(e.generated), e.similarity) for e in finding.evidence),
    )


def _names(result: AuditResult) -> set[str]:
    """Every name in the result, with the folders, file names and stems it is made of."""
    whole = {p.path for p in result.problems}
    whole |= {f.id for f in result.findings} | {f.group for f in result.findings}
    whole |= {e.generated for f in result.findings for e in f.evidence}
    whole |= {*result.calibration.ids, *result.calibration.groups, *result.manifest.weights_sha256}
    whole |= set(result.manifest.inputs_sha256) | set(_texts(result.manifest.options))
    parts = {part for name in whole for part in re.split(r"[/\\]", name)}
    stems = {part.rsplit(".", 1)[0] for part in parts}
    own = {name for f in result.findings for name in f.columns} | {c.name for c in result.controls}
    own |= {d.name for d in (result.set_test.detectors if result.set_test else ())}
    own |= {m.name for m in result.set_measures}
    # shorter pieces, plain numbers and vestige's own words would tear holes into sentences
    return {
        n for n in (whole | parts | stems) - own
        if len(n) >= 3 and not n.isdecimal() and n.lower() not in _OWN_WORDS
    }  # fmt: skip


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for v in value.values() for text in _texts(v)]
    if isinstance(value, list | tuple):
        return [text for v in value for text in _texts(v)]
    return []


def _plain_option(name: str, value: Any) -> Any:
    """Keep numbers and vestige's own words; a text of the user becomes "[removed]"."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain_option(name, v) for v in value]
    if isinstance(value, str) and name in _WORD_OPTIONS and _IDENTIFIER.fullmatch(value):
        return value
    return _REMOVED
