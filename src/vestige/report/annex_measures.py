"""The last parts of the annex: what was withheld, other measures, and who signs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vestige.decision.audited import Audited
from vestige.decision.sentences import HEADINGS
from vestige.files.regular import read_text
from vestige.files.strict_json import parse_json
from vestige.registry.entries import InputError
from vestige.report import annex_words as said
from vestige.report.annex_context import Context
from vestige.report.annex_fields import Notes, audited, field_table, stated
from vestige.report.blocks import Row, Section, Table, Text


@dataclass(frozen=True)
class ScrubLog:
    """How many images a scrub kept and withheld, why, and the decision on those it kept.

    reasons : number of withheld images by reason, the most frequent first
    state : of the decision
    """

    kept: int
    reasons: tuple[tuple[str, int], ...]
    state: str

    @property
    def withheld(self) -> int:
        """Images that must not be released."""
        return sum(n for _, n in self.reasons)


def read_scrub_log(path: Path) -> ScrubLog:
    """Read what `vestige scrub --json` printed; of its names only their number is kept.

    Raises
    ------
    InputError
        When the file cannot be read or is something else.
    """
    other = InputError(
        f"{path.name} is not the log of a scrub: write it with `vestige scrub ... --json > "
        f"{path.name}`."
    )
    try:
        raw = parse_json(read_text(path))
    except InputError:
        raise
    except ValueError as error:
        raise other from error
    try:
        kept, reasons = len(list(raw["keep"])), Counter(one["by"] for one in raw["withheld"])
        state = raw["decision"]["state"]
    except (KeyError, TypeError) as error:
        raise other from error
    if state not in HEADINGS or not set(reasons) <= set(said.SCRUB_WHY):
        raise other
    return ScrubLog(kept, tuple(sorted(reasons.items(), key=lambda one: (-one[1], one[0]))), state)


def measures(result: Audited, context: Context, notes: Notes) -> Section:
    """(12) What was withheld and why, and the conditions of access."""
    rows = [_scrubbed(result, context)]
    rows += stated(context, notes, "measures.access_conditions", "measures.other")
    return Section("measures", said.SECTIONS["measures"], (field_table(rows),))


def _scrubbed(result: Audited, context: Context) -> Row:
    label = said.AUDITED["withheld"]
    if context.measures.scrub_log is None:
        return Row((label, said.SCRUB_NONE, ""))
    log = read_scrub_log(context.folder / context.measures.scrub_log)
    made, whole = result.question.counts.get("generated", 0), log.kept + log.withheld
    if made not in (log.kept, whole):
        raise InputError(
            f"{context.measures.scrub_log} is about {whole:,} generated images, of which "
            f"{log.kept:,} were kept, and this result is about {made:,}: give the log that belongs "
            "to it."
        )
    if not log.withheld:
        return audited(label, said.SCRUB_NOTHING)
    why = ", ".join(said.SCRUB_WHY[by].format(n=f"{n:,}") for by, n in log.reasons)
    told = (
        said.SCRUB.format(gone=f"{log.withheld:,}", total=f"{whole:,}", why=why),
        said.SCRUB_BEFORE if made == whole else said.SCRUB_AFTER,
        said.SCRUB_REST.format(heading=HEADINGS[log.state].lower()),
    )
    return audited(label, " ".join(told))


def sign_off(context: Context) -> Section:
    """(13) Who signs; the tool does not decide."""
    names = (context.sign_off.data_protection_officer, context.sign_off.controller)
    rows = tuple(
        Row((role, name or said.NOT_STATED, "", ""))
        for role, name in zip(said.SIGN_ROLES.values(), names, strict=True)
    )
    table = Table(said.SIGN_HEAD, rows, short=(0,))
    return Section("sign_off", said.SECTIONS["sign_off"], (Text(said.NOT_DECIDING), table))
