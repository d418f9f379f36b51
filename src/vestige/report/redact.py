"""Leave hashes and aggregates only: a result that may be shown to people without patient access.

Every name becomes 12 hex digits of a keyed hash. The key is random and thrown away, so nobody can
test guessed file names against the hashes, and two redacted reports cannot be joined; within one
report the same name keeps the same hash. Nothing else depends on names: with other names the text
is the same but for the hashes, and rows stand in the order of these, since the place of a row
among its neighbours would tell its name to whoever lists the folder.
"""

import re
import secrets
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from vestige.decision.audited import Audited
from vestige.images.flags import FLAG_WARNINGS
from vestige.images.group_sources import GIVEN
from vestige.report.names import Names
from vestige.report.own_words import OWN_WORDS
from vestige.schema.records import Calibration, Evidence, Finding, PreparationComparison, Problem

_ROLES = ("generated", "query", "used", "unused", "reference")
_WORD_OPTIONS = (
    *("mode", "detectors", "pool", "combination", "checks", "backbones"),
    *("effort", "views", "colour", "dimensions"),
)
"""Options whose texts are vestige's own words; any other text may be a path or a host."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_PATH = re.compile(  # each begins where a word does: from every letter on it would take for ever
    r"""(?<![^\s'"(){}\[\]<>,;])[^\s'"(){}\[\]<>,;]*[/\\][^\s'"(){}\[\]<>,;]*"""  # has a slash
    r"""|(?<![\w-])[\w-]++\.[A-Za-z][A-Za-z0-9]{1,7}\b(?:\#\d+)?"""  # or ends like a file
)
_REMOVED = "[removed]"
_SPECIFIC = re.compile(r"""[:;]\s|\s\(|e\.g\.|['"“‘`/\\]""")
"""Where a problem begins to speak of one file: a name, a tag, the words of a decoder."""
_GROUPS_FROM = (
    (re.compile(r"the CSV file .*", re.DOTALL), "a CSV file"),
    (re.compile(re.escape(GIVEN)), ""),
    (re.compile(r"the regular expression .*", re.DOTALL), "a regular expression on the ids"),
    (re.compile(r"DICOM patient ids(?: \(missing in \d+ of \d+ images\))?"), ""),
    (
        re.compile(
            r"(?:files, DICOM studies and )?near-duplicate clustering "
            r"\((?:no patient ids were given|"
            r"all patient ids are the placeholder (?:[A-Z/ -]|or)+)\)"
        ),
        "",
    ),
)
_COUNTS = re.compile(
    r"(.*): (\d+ images in \d+ groups(?:; near copies joined them to \d+|"
    r"; (?:slices|images|volumes) of one patient that look unlike count as several)?)",
    re.DOTALL,
)


def redact(result: Audited, key: bytes | None = None) -> Audited:
    """Replace every name in a result by a keyed hash and drop pictures and paths.

    Parameters
    ----------
    result : Audited
        Left unchanged.
    key : bytes, up to 64, optional
        Secret of the hash; random and forgotten when not given. Only tests give one.

    Returns
    -------
    Audited
        Same numbers and verdicts; ids, groups and problem paths hashed; texts freed of names,
        paths and (in problems) quotations; options without texts of the user; no thumbnails;
        ``manifest.options["redacted"]`` is true.
    """
    hide = _Hider(key or secrets.token_bytes(32), _names(result))
    made = result.manifest
    options = {k: _plain_option(k, v) for k, v in made.options.items() if _IDENTIFIER.fullmatch(k)}
    return replace(
        result,
        question=replace(result.question, groups_from=_groups_from(result.question.groups_from)),
        findings=tuple(sorted((_finding(f, hide) for f in result.findings), key=lambda f: f.id)),
        checks=tuple(
            replace(
                c,
                vetoes=hide.text(c.vetoes),
                details={hide.text(name): figure for name, figure in c.details.items()},
            )
            for c in result.checks
        ),
        set_measures=tuple(replace(m, says=hide.text(m.says)) for m in result.set_measures),
        patients=tuple(
            sorted(
                (replace(p, patient=hide.name(p.patient)) for p in result.patients),
                key=lambda p: p.patient,
            )
        ),
        preparation=tuple(_likeness(one, hide) for one in result.preparation),
        copies=tuple(
            sorted(
                (
                    replace(
                        c,
                        generated=hide.name(c.generated),
                        real=hide.name(c.real),
                        group=hide.name(c.group),
                    )
                    for c in result.copies
                ),
                key=lambda c: (c.generated, c.real),
            )
        ),
        unread=tuple(replace(u, example=hide.name(u.example)) for u in result.unread),
        problems=tuple(
            sorted((_problem(p, hide) for p in result.problems), key=lambda p: (p.what, p.path))
        ),
        manifest=replace(
            made,
            options=options | {"redacted": True},
            inputs_sha256={
                hide.path(k): v if k in _ROLES else hide.name(v)
                for k, v in made.inputs_sha256.items()
            },
            weights_sha256={hide.name(k): v for k, v in made.weights_sha256.items()},
            question_sha256="",  # it is made of names
        ),
        calibration=_calibration(result.calibration, hide),
        thumbnails={},
    )


class _Hider:
    """Hashes names under one key, and finds known names inside sentences."""

    def __init__(self, key: bytes, names: set[str]) -> None:
        self.key = key
        self.known = Names(names)

    def name(self, text: str) -> str:
        data = text.encode("utf-8", errors="surrogatepass")
        return blake2b(data, key=self.key, digest_size=6).hexdigest() if text else ""

    def path(self, text: str) -> str:
        """A path that may also be a role, which is nobody's name."""
        return text if text in _ROLES else self.name(text)

    def text(self, sentence: str) -> str:
        """Hash every known name that stands in a sentence, the longest first; drop paths."""
        return _PATH.sub(_REMOVED, self.known.replaced(sentence, self.name))


def _finding(finding: Finding, hide: _Hider) -> Finding:
    return replace(
        finding,
        id=hide.name(finding.id),
        group=hide.name(finding.group),
        evidence=tuple(Evidence(hide.name(e.generated), e.similarity) for e in finding.evidence),
    )


def _likeness(one: PreparationComparison, hide: _Hider) -> PreparationComparison:
    """Aggregates stay; a word from the files (a mode, a coding) may hold anything."""
    words = tuple(
        replace(d, first=hide.text(d.first), second=hide.text(d.second)) for d in one.differences
    )
    return replace(one, differences=words)


def _calibration(known: Calibration, hide: _Hider) -> Calibration:
    names = (map(hide.name, known.ids), map(hide.name, known.groups))
    rows = sorted(zip(*names, known.scores, strict=True))
    return Calibration(
        tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    )


def _problem(problem: Problem, hide: _Hider) -> Problem:
    """The kind of problem, without what is said of one file."""
    told, _, flag = problem.what.partition(" images: ")
    if not (flag in FLAG_WARNINGS.values() and re.fullmatch(r"\d+ of \d+", told)):
        specific = _SPECIFIC.search(problem.what)
        if specific is not None:
            told = problem.what[: specific.start()].rstrip(" ,")
            told = re.sub(r"(^|\s)\S+$", "", told) if specific[0] in "/\\" else told
            told = f"{hide.text(told)} {_REMOVED}".lstrip()
            return replace(problem, path=hide.path(problem.path), what=told)
    return replace(problem, path=hide.path(problem.path), what=hide.text(problem.what))


def _groups_from(sentence: str) -> str:
    """Where groups come from, without the name of the table or the expression."""
    counted = _COUNTS.fullmatch(sentence)
    source, counts = counted.groups() if counted else (sentence, "")
    for pattern, plain in _GROUPS_FROM:
        if pattern.fullmatch(source):
            source = plain or source
            return f"{source}: {counts}" if counts else source
    return _REMOVED


def _is_own(name: str) -> bool:
    """Whether a name is made of vestige's own words, or of no letters (numbers in sentences)."""
    words = [word.strip(".,:;()%") for word in name.lower().split()]
    return not any(c.isalpha() for c in name) or all(word in OWN_WORDS for word in words)


def _names(result: Audited) -> set[str]:
    """Every name in the result, with the folders, file names and stems it is made of."""
    whole = {p.path for p in result.problems}
    whole |= {f.id for f in result.findings} | {f.group for f in result.findings}
    whole |= {p.patient for p in result.patients}
    whole |= {e.generated for f in result.findings for e in f.evidence}
    whole |= {name for c in result.copies for name in (c.generated, c.real, c.group)}
    whole |= {u.example for u in result.unread}
    whole |= {*result.calibration.ids, *result.calibration.groups, *result.manifest.weights_sha256}
    whole |= set(result.manifest.inputs_sha256) | set(_texts(result.manifest.options))
    parts = {part for name in whole for part in re.split(r"[/\\]", name)}
    stems = {part.rsplit(".", 1)[0] for part in parts}
    own = {name for f in result.findings for name in f.columns} | {c.name for c in result.checks}
    own |= {d.name for d in (result.set_test.detectors if result.set_test else ())}
    own |= {m.name for m in result.set_measures}
    own |= {d.statistic for one in result.preparation for d in one.differences}
    # shorter pieces, plain numbers and vestige's own words would tear holes into sentences
    return {n for n in (whole | parts | stems) - own if len(n) >= 3 and not _is_own(n)}


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
    if isinstance(value, dict) and name == "harmonize":
        return {k: _plain_option(k, v) for k, v in value.items() if _IDENTIFIER.fullmatch(k)}
    if isinstance(value, str) and name in _WORD_OPTIONS and _IDENTIFIER.fullmatch(value):
        return value
    return _REMOVED
