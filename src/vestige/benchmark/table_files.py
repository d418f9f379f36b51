"""The tables of a benchmark as Markdown, CSV, LaTeX and one offline HTML page."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

from vestige.benchmark.cells import Forensic, Release
from vestige.benchmark.latex import latex
from vestige.benchmark.result import Benchmark
from vestige.benchmark.tables import SHADES, Table, in_parts, tables
from vestige.files.spreadsheet import cell as safe
from vestige.files.spreadsheet import number
from vestige.report.page import environment
from vestige.report.words import visible
from vestige.schema.records import Estimate


def to_markdown(benchmark: Benchmark) -> str:
    """The tables as GitHub Markdown."""
    return markdown("Benchmark", made_with(benchmark), tables(benchmark))


def markdown(title: str, made: str, shown: Sequence[Table]) -> str:
    """Tables under a title and a line that says when and on what they were made."""
    parts = [f"# {title}\n", f"{made}\n"]
    for table in shown:
        lines = [_line(table.head), "|" + " --- |" * len(table.head)]
        for row in table.rows:
            lines.append(_line([entry.text for entry in row], [entry.best for entry in row]))
        parts += [f"## {table.title}\n", f"{table.note}\n", "\n".join(lines) + "\n"]
    return "\n".join(parts)


def to_csv(benchmark: Benchmark) -> str:
    """One line per cell, in full precision; safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["world", "generator", "row", "null", "seed", "auc", "auc_low", "auc_high", "tpr_5"]
        + ["tpr_1", "p_value", "leak", "reason", "false_alarm_rate", "queries", "query_auc"]
        + ["query_auc_low", "query_auc_high", "kappa", "kappa_low", "kappa_high", "false_alarms"]
        + ["blind_auc", "blind_p", "seconds", "peak_rss_bytes", "error"]
    )
    generators = {world.name: world.recipe.generator for world in benchmark.worlds}
    for cell in benchmark.cells:
        writer.writerow(
            [safe(cell.world), safe(generators[cell.world]), safe(cell.row), int(cell.null)]
            + [cell.seed, *_release_fields(cell.release), *_forensic_fields(cell.forensic)]
            + ([*_ends(cell.blind.auc)[:1], number(cell.blind.p_value)] if cell.blind else [""] * 2)
            + [number(cell.seconds), cell.peak_rss_bytes, safe(cell.error)]
        )
    return out.getvalue()


def to_html(benchmark: Benchmark) -> str:
    """The tables as one offline page, in the looks of the report; everything is escaped."""
    title = "benchmark of detectors on worlds whose truth is known"
    return page(title, made_with(benchmark), tables(benchmark))


def to_latex(benchmark: Benchmark) -> str:
    """The tables as LaTeX, for a paper."""
    return latex("Benchmark", made_with(benchmark), tables(benchmark))


def page(title: str, made: str, shown: Sequence[Table]) -> str:
    """Tables as one offline page; see `markdown`."""
    import jinja2

    parts = [part for table in shown for part in in_parts(table)]
    loader = jinja2.ChoiceLoader(
        [jinja2.PackageLoader("vestige.benchmark"), jinja2.PackageLoader("vestige.report")]
    )
    made_page: str = (
        environment()
        .overlay(loader=loader)
        .get_template("benchmark.html.j2")
        .render(title=title, tables=parts, made=made, shades=SHADES)
    )
    return made_page


def made_with(benchmark: Benchmark) -> str:
    """When and on what, in one line."""
    count = f"{len(benchmark.worlds)} worlds, {len(benchmark.cells)} cells"
    return made_line(count, benchmark.date, benchmark.environment)


def made_line(count: str, date: str, told: Mapping[str, str]) -> str:
    """What was counted, when, and the environment it was measured in."""
    return (
        f"{count}, {date}; vestige {told.get('vestige', '?')}, {told.get('cpu', '?')}, "
        f"{told.get('cores', '?')} cores"
    )


def _ends(found: Estimate | None) -> list[str]:
    return [number(v) for v in ((found.value, found.low, found.high) if found else (None,) * 3)]


def _release_fields(release: Release | None) -> list[str]:
    if release is None:
        return [""] * 9
    return [
        *_ends(release.auc),
        *(_ends(rate)[0] for rate in (release.tpr_5, release.tpr_1)),
        number(release.p_value),
        *(release.leak, release.reason),
        number(release.false_alarm_rate),
    ]


def _forensic_fields(forensic: Forensic | None) -> list[str]:
    if forensic is None:
        return [""] * 8
    alarms = _ends(forensic.false_alarms)[:1]
    return [str(forensic.queries), *_ends(forensic.auc), *_ends(forensic.kappa), *alarms]


def _line(texts: Sequence[str], bold: Sequence[bool] = ()) -> str:
    shown = [_escaped(text) for text in texts]
    shown = [
        f"**{text}**" if b else text
        for text, b in zip(shown, bold or [False] * len(shown), strict=True)
    ]
    return "| " + " | ".join(shown) + " |"


def _escaped(text: str) -> str:
    """Text of a Markdown table: nothing in it ends a cell, opens a tag or link, or stresses."""
    text = re.sub(r"([\\|`*<\n])", r"\\\1", visible(text)).replace("&", "&amp;")
    # an underscore inside a word, and brackets without a target, stand for themselves
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text).replace("](", "]\\(")
