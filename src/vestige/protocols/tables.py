"""The tables of the papers' protocols, made from protocols.json and from nothing else."""

import csv
import io

from vestige.benchmark.latex import latex
from vestige.benchmark.table_files import made_line, markdown, page
from vestige.benchmark.tables import NONE, Entry, Table
from vestige.files.places import told_place
from vestige.files.spreadsheet import cell as safe
from vestige.files.spreadsheet import number
from vestige.protocols.result import Figure, Ours, ProtocolCell, Protocols, Published, Rule, System
from vestige.report.words import p_text
from vestige.schema.records import Estimate

MEASURES = ("kappa", "accuracy", "precision", "recall", "f1")
TITLE = "the papers' systems, evaluated as published and by our protocol"


def to_markdown(found: Protocols) -> str:
    """The tables as GitHub Markdown."""
    return markdown("The papers' protocols", _made(found), tables(found))


def to_html(found: Protocols) -> str:
    """The tables as one offline page; everything is escaped."""
    return page(TITLE, _made(found), tables(found))


def to_latex(found: Protocols) -> str:
    """The tables as LaTeX, for a paper."""
    return latex("The papers' protocols", _made(found), tables(found))


def tables(found: Protocols) -> tuple[Table, ...]:
    """All tables that have something to show."""
    made = (
        main_table(found),
        figure_table(found),
        rule_table(found),
        ours_table(found),
        system_table(found),
        left_out_table(found),
        error_table(found),
    )
    return tuple(table for table in made if table.rows)


def main_table(found: Protocols) -> Table:
    """One row per world and system: the gap between the protocols."""
    return Table(
        "Their figure and ours",
        "On a world where nothing of the members is in the generated set, an honest figure is at "
        "chance: the constant answer for an accuracy, 0 for kappa, .5 for an AUC. Its own figure: "
        "evaluated as the paper did. Honest: the same by patient, or with nothing chosen on the "
        "images it is computed from. Ours: members against non-members, cross-fitted by patient; "
        "published form: with the paper's settings, so that only the protocol differs.",
        ("world", "system", "its own figure", "the same, honest", "constant")
        + ("its rule on the queries: kappa [95 %]", "ours, published form: AUC [95 %], p")
        + ("ours, default form: AUC [95 %], p", "published: own figure", "published: kappa"),
        tuple(_main_row(found, cell) for cell in found.cells),
    )


def figure_table(found: Protocols) -> Table:
    """How each figure was obtained; the honest one first."""
    return Table(
        "Figures",
        "Every figure of the papers' own evaluations, the honest one first.",
        ("world", "system", "figure", "value [95 %]", "constant", "how it was obtained"),
        tuple(
            tuple(map(Entry, (cell.world, cell.system, kind, *_figure_texts(figure))))
            for cell in found.cells
            for kind, figure in _figures(cell)
        ),
    )


def rule_table(found: Protocols) -> Table:
    """All measures of the papers' rules on the queries; the nested ones first."""
    return Table(
        "Rules on the queries",
        "The papers' decisions against the truth. Optimistic: something was chosen on the queries "
        "themselves, as on a leaderboard.",
        ("world", "system", "optimistic", *(f"{name} [95 %]" for name in MEASURES), "rule"),
        tuple(
            (
                *map(Entry, (cell.world, cell.system, "yes" if rule.optimistic else "no")),
                *(Entry(_interval(getattr(rule.measures, name))) for name in MEASURES),
                Entry(rule.how),
            )
            for cell in found.cells
            for rule in (cell.paper.rules if cell.paper else ())
        ),
    )


def ours_table(found: Protocols) -> Table:
    """What our protocol says of the same detectors."""
    return Table(
        "Our protocol",
        "AUC, p and leak: members against non-members. Kappa and false alarms: our verdicts on the "
        "queries, with the labels of used and unused; a dash where a check vetoed them.",
        ("world", "system", "form", "AUC [95 %]", "p", "leak", "AUC of the queries [95 %]")
        + ("kappa [95 %]", "false alarms [95 %]", "options"),
        tuple(
            tuple(map(Entry, (cell.world, cell.system, form, *_ours_texts(ours))))
            for cell in found.cells
            for form, ours in (("published", cell.published_form), ("default", cell.default_form))
            if ours is not None
        ),
    )


def system_table(found: Protocols) -> Table:
    """Which detector and networks stand behind a system, and what was printed of it."""
    return Table(
        "Systems",
        "Networks as they ran here, with their weights; and the printed rows.",
        ("system", "detector", "networks", "own figure", *MEASURES, "source", "note"),
        tuple(_system_row(system) for system in found.systems),
    )


def left_out_table(found: Protocols) -> Table:
    """Systems that cannot run with these options."""
    rows = tuple((Entry(name), Entry(why)) for name, why in found.left_out.items())
    return Table("Left out", "Nobody named these, and they cannot run.", ("system", "why"), rows)


def error_table(found: Protocols) -> Table:
    """The parts that could not be measured, and why."""
    rows = tuple(tuple(map(Entry, error)) for error in found.errors)
    head = ("world", "system", "part", "why")
    return Table("Not measured", "The same command tries these parts again.", head, rows)


def to_csv(found: Protocols) -> str:
    """One line per world and system, in full precision; safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    ends = ("", "_low", "_high")
    head = ["world", "system", "detector", "metric", "constant"]
    head += [name + end for name in ("own", "honest", "rule_kappa") for end in ends]
    head += [f"rule_{name}" for name in MEASURES[1:]] + ["optimistic_kappa"]
    for form in ("published_form", "default_form"):
        head += [f"{form}_{name}" for name in ("auc", "auc_low", "auc_high", "p", "leak")]
        head += [f"{form}_{name}" for name in ("kappa", "false_alarms")]
    writer.writerow([*head, "printed_own", "printed_kappa", "error"])
    systems = {system.name: system for system in found.systems}
    for cell in found.cells:
        system, paper = systems[cell.system], cell.paper
        row = [safe(cell.world), cell.system, system.detector]
        row += [paper.own.metric, number(paper.own.baseline)] if paper else [""] * 2
        row += _ends(paper.own.value if paper else None)
        row += _ends(paper.honest.value if paper and paper.honest else None)
        first, tuned = _first(cell, optimistic=False), _first(cell, optimistic=True)
        row += _ends(first.measures.kappa if first else None)
        row += [_ends(getattr(first.measures, m) if first else None)[0] for m in MEASURES[1:]]
        row += _ends(tuned.measures.kappa if tuned else None)[:1]
        row += [*_ours_fields(cell.published_form), *_ours_fields(cell.default_form)]
        row += [number(system.published.own), number(system.published.kappa)]
        writer.writerow([*row, safe("; ".join(cell.errors.values()))])
    return out.getvalue()


def _made(found: Protocols) -> str:
    count = f"{len(found.worlds)} worlds, {len(found.systems)} systems"
    return made_line(count, found.date, found.environment)


def _main_row(found: Protocols, cell: ProtocolCell) -> tuple[Entry, ...]:
    (printed,) = (system.published for system in found.systems if system.name == cell.system)
    paper, rule = cell.paper, _first(cell, optimistic=False)
    texts = (
        *(cell.world, cell.system),
        f"{paper.own.metric} {_interval(paper.own.value)}" if paper else NONE,
        _interval(paper.honest.value) if paper and paper.honest else NONE,
        f"{paper.own.baseline:.2f}" if paper else NONE,
        _interval(rule.measures.kappa) if rule else NONE,
        *(_release_text(ours) for ours in (cell.published_form, cell.default_form)),
        _own_text(printed),
        _three(printed.kappa),
    )
    return tuple(map(Entry, texts))


def _figures(cell: ProtocolCell) -> list[tuple[str, Figure]]:
    if cell.paper is None:
        return []
    honest = [("honest", cell.paper.honest)] if cell.paper.honest else []
    return [*honest, ("own", cell.paper.own), *(("own, further", f) for f in cell.paper.further)]


def _figure_texts(figure: Figure) -> tuple[str, str, str]:
    value = f"{figure.metric} {_interval(figure.value)}"
    return value, f"{figure.baseline:.2f}", figure.how


def _first(cell: ProtocolCell, optimistic: bool) -> Rule | None:
    rules = cell.paper.rules if cell.paper else ()
    return next((rule for rule in rules if rule.optimistic == optimistic), None)


def _release_text(ours: Ours | None) -> str:
    if ours is None or ours.release is None:
        return NONE
    return f"{_interval(ours.release.auc)}, p {p_text(ours.release.p_value)}"


def _ours_texts(ours: Ours) -> tuple[str, ...]:
    release, forensic = ours.release, ours.forensic
    return (
        _interval(release.auc) if release else NONE,
        p_text(release.p_value) if release else NONE,
        f"{release.leak} ({release.reason})" if release else NONE,
        _interval(forensic.auc if forensic else None),
        _interval(forensic.kappa if forensic else None),
        _interval(forensic.false_alarms if forensic else None),
        ", ".join(f"{name}={told_place(value)}" for name, value in ours.options.items()) or NONE,
    )


def _system_row(system: System) -> tuple[Entry, ...]:
    printed = system.published
    networks = "; ".join(system.networks) or "none"
    measures = (_three(getattr(printed, name)) for name in MEASURES)
    texts = (system.name, system.detector, networks, _own_text(printed), *measures)
    return tuple(map(Entry, (*texts, printed.source, printed.note or NONE)))


def _ours_fields(ours: Ours | None) -> list[str]:
    if ours is None or ours.release is None:
        return [""] * 7
    release, forensic = ours.release, ours.forensic
    found = (forensic.kappa, forensic.false_alarms) if forensic else (None, None)
    fields = [*_ends(release.auc), number(release.p_value), release.leak]
    return [*fields, *(_ends(value)[0] for value in found)]


def _own_text(printed: Published) -> str:
    return NONE if printed.own is None else f"{printed.own_metric} {printed.own:.3f}"


def _ends(found: Estimate | None) -> list[str]:
    return [number(v) for v in ((found.value, found.low, found.high) if found else (None,) * 3)]


def _interval(found: Estimate | None) -> str:
    return NONE if found is None else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _three(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
