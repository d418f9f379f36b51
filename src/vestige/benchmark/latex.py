"""Tables as LaTeX, in the style of the package booktabs: one table environment for each."""

import re
from collections.abc import Sequence

from vestige.benchmark.tables import Entry, Table, in_parts
from vestige.report.words import visible

LONG = 40
"""A column with a longer entry than this is broken into lines."""
SHRUNK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Before a table: one that is wider than the text is shrunk to its width."""
_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "–": "--",
    "…": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def latex(title: str, made: str, shown: Sequence[Table]) -> str:
    r"""Tables for a paper: `\input` the file where `\usepackage{booktabs,graphicx}` is in force.

    Parameters
    ----------
    title, made : what the tables are, and when and on what they were made; a comment at the top
    shown : a table with many columns becomes several, as on the page

    Returns
    -------
    str
        LaTeX in which no name can start a command.
    """
    parts = [
        f"% {visible(title)}",
        f"% {visible(made)}",
        r"% needs \usepackage{booktabs,graphicx}",
        "",
    ]
    for table in shown:
        for part in in_parts(table):
            parts += _environment(part)
    return "\n".join(parts)


def _environment(table: Table) -> list[str]:
    numeric = "r" if table.upright else "l"
    long = [any(len(row[k].text) > LONG for row in table.rows) for k in range(len(table.head))]
    kinds = ["l" if k == 0 else numeric for k in range(len(table.head))]
    columns = [r"p{4cm}" if wide else kind for wide, kind in zip(long, kinds, strict=True)]
    head = [rf"\rotatebox{{90}}{{{_safe(t)}}}" if table.upright and k else _safe(t)
            for k, t in enumerate(table.head)]  # fmt: skip
    return [
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{_safe(table.title)}. {_coded(table.note)}}}",
        SHRUNK,
        rf"\begin{{tabular}}{{{''.join(columns)}}}",
        r"\toprule",
        f"{' & '.join(head)} \\\\",
        r"\midrule",
        *(f"{' & '.join(map(_entry, row))} \\\\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
        "",
    ]


def _entry(entry: Entry) -> str:
    return rf"\textbf{{{_safe(entry.text)}}}" if entry.best else _safe(entry.text)


def _safe(text: str) -> str:
    return _SIGN.sub(lambda sign: _SIGNS[sign[0]], visible(text))


def _coded(note: str) -> str:
    """A sentence of ours, in which what stands between two backticks is set as code."""
    parts = note.split("`")
    if len(parts) % 2 == 0:
        return _safe(note)
    return "".join(rf"\texttt{{{_safe(p)}}}" if k % 2 else _safe(p)
                   for k, p in enumerate(parts))  # fmt: skip
