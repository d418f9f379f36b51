"""The document for a board: at most four printed pages, and an appendix."""

from collections.abc import Sequence

from vestige.decision.audited import Audited
from vestige.decision.sentences import GATES
from vestige.images.kinds import told_of
from vestige.registry.entries import InputError
from vestige.report import annex_words as said
from vestige.report import words
from vestige.report.annex_context import Context
from vestige.report.annex_evidence import (
    MOST_SUBGROUPS,
    checks,
    criteria,
    levels_table,
    risk,
    subgroup_table,
    worst,
)
from vestige.report.annex_fields import (
    Notes,
    attacker,
    data_set,
    document,
    generator,
    release,
    rule,
    split,
)
from vestige.report.annex_measures import measures, sign_off
from vestige.report.annex_patients import Subgroup, subgroups, target_patients
from vestige.report.blocks import Block, Row, Section, Table, Text
from vestige.report.glossary import GLOSSARY
from vestige.report.kinds import compared, kind_of_result
from vestige.report.page import environment

MOST_DETECTORS = 40
"""Detectors that the appendix lists."""


def render_annex(result: Audited, context: Context, names: bool = False) -> str:
    """The annex as one offline HTML page, which is also what becomes a PDF.

    Parameters
    ----------
    result : Audited
        What the audit said; it is not changed.
    context : Context
        What the controller states (`vestige.report.annex_context.read_context`).
    names : bool
        Show the names of the patients with the strongest evidence, and values of small subgroups.
        Without it no id, path, tag or picture of the result is in the document.

    Returns
    -------
    str
        HTML without scripts, links or anything loaded from elsewhere; everything is escaped.

    Raises
    ------
    InputError
        For a table of subgroups or a log of a scrub that cannot be read or belongs to another
        result; with `names`, for a redacted result.
    """
    if names and result.manifest.options.get("redacted") is True:
        raise InputError("this result is redacted, its names are gone: leave --with-names out.")
    notes = Notes()
    patients = target_patients(result)
    groups = subgroups(result, patients, context.subgroups, context.folder, small=names)
    sections = (
        document(result, context, notes),
        data_set(result, context, notes),
        release(result, context, notes),
        generator(result, context, notes),
        split(result, context, notes),
        criteria(result),
        attacker(result, context, notes),
        rule(result, context, notes),
        worst(result, patients, groups, names),
        risk(result),
        checks(result),
        measures(result, context, notes),
        sign_off(context),
    )
    page: str = (
        environment()
        .get_template("annex.html.j2")
        .render(
            title=context.document.title or said.TITLE,
            subtitle=said.SUBTITLE,
            banner=words.banner(result),
            gate=GATES[result.decision.gate],
            notices=(said.WITH_NAMES if names else said.REDACTED, said.STATED),
            names=names,
            sections=sections,
            appendix=_appendix(result, notes, groups),
        )
    )
    return page


def _appendix(result: Audited, notes: Notes, groups: Sequence[Subgroup]) -> tuple[Section, ...]:
    kind = kind_of_result(result)
    blocks: dict[str, tuple[Block, ...]] = {}
    if notes.told:
        rows = tuple(
            Row((f"Note {k}: {label}", text)) for k, (label, text) in enumerate(notes.told, start=1)
        )
        blocks["notes"] = (Table(("", ""), rows),)
    if len(groups) > MOST_SUBGROUPS:
        blocks["subgroups"] = (subgroup_table(groups),)
    if result.levels:
        blocks["levels"] = (levels_table(result),)
    if result.set_test is not None and result.set_test.detectors:
        blocks["detectors"] = _detectors(result)
    blocks["manifest"] = (_manifest(result),)
    terms = tuple(Row((term, told_of(kind, GLOSSARY[term]))) for term in said.TERMS)
    blocks["words"] = (Table(("", ""), terms),)
    sources = tuple(Row((source,)) for source in said.SOURCES)
    blocks["sources"] = (Text(said.SOURCES_LEAD), Table(("",), sources))
    return tuple(Section(key, said.APPENDIX[key], own) for key, own in blocks.items())


def _detectors(result: Audited) -> tuple[Block, ...]:
    tests = result.set_test.detectors if result.set_test else ()
    ordered = sorted(tests, key=lambda d: (-d.weight, d.name))
    rows = tuple(
        Row(
            (
                test.name,
                f"{test.auc:.3f}",
                words.p_text(test.p_adjusted),
                words.percent(round(test.weight, 3)),
            )
        )
        for test in ordered[:MOST_DETECTORS]
    )
    blocks: list[Block] = []
    if len(ordered) > len(rows):
        told = said.DETECTORS_MORE.format(shown=len(rows), total=f"{len(ordered):,}")
        blocks.append(Text(told))
    return (*blocks, Table(said.DETECTORS_HEAD, rows, numeric=(1, 2, 3)))


def _manifest(result: Audited) -> Table:
    made = result.manifest
    roles = [role for role in words.ROLES if role in made.inputs_sha256]
    packages = ", ".join(f"{name} {version}" for name, version in made.dependencies.items())
    rows = [
        (said.MANIFEST["question"], result.question.mode),
        (said.MANIFEST["kind"], compared(result) or said.GREY),
        ("vestige", made.vestige),
        (said.MANIFEST["python"], made.python),
        (said.MANIFEST["packages"], packages or said.NOT_STATED),
        (said.MANIFEST["seed"], str(made.seed)),
        (said.MANIFEST["started"], made.started),
        *((said.MANIFEST["sha256"].format(role=role), made.inputs_sha256[role]) for role in roles),
    ]
    return Table(("", ""), tuple(Row(row) for row in rows))
