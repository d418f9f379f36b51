"""The findings as one table: of findings.csv and of `AuditResult.to_frame`."""

import csv
import io
import re
from typing import Any

from vestige.decision.audited import Audited
from vestige.files.printable import printable
from vestige.files.spreadsheet import cell, number
from vestige.registry.entries import InputError
from vestige.schema.findings import Finding

FIRST = ("id", "group", "role", "verdict", "score", "p_value", "q_value")
LAST = ("nearest_generated", "similarity", "carried_by", "relation", "stands_out", "word")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What a terminal obeys, but for tabs and ends of lines, which a CSV may hold."""


def table_of(result: Audited) -> tuple[list[str], list[list[Any]]]:
    """Names of the columns, and one row for each finding: texts, floats, booleans, None."""
    columns = sorted({name for f in result.findings for name in f.columns})
    return [*FIRST, *columns, *LAST], [_row(finding, columns) for finding in result.findings]


def _row(f: Finding, columns: list[str]) -> list[Any]:
    near = f.evidence[0] if f.evidence else None
    carried = "; ".join(f"{part.column} {part.share:.2f}" for part in f.carried_by)
    return [
        *(f.id, f.group, f.role, f.verdict, f.score, f.p_value, f.q_value),
        *(f.columns.get(name) for name in columns),
        *((near.generated, near.similarity) if near else (None, None)),
        *(carried, f.relation, f.stands_out, f.word),
    ]


def as_csv(result: Audited) -> str:
    """The text of findings.csv, safe to open in a spreadsheet and to print in a terminal."""
    names, rows = table_of(result)
    out = io.StringIO()
    writer = csv.writer(out)  # CRLF (RFC 4180), so that names with a CR are quoted too
    writer.writerow(map(cell, names))
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return cell(CONTROL.sub(lambda match: printable(match[0]), value))
    return number(value)


def as_frame(result: Audited) -> Any:
    """The table as a pandas DataFrame, in which what is empty is NaN, as where the file is read.

    Raises
    ------
    InputError
        Without pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise InputError("to_frame needs pandas: pip install 'vestige[table]'") from error
    names, rows = table_of(result)
    nothing = float("nan")
    plain = [[nothing if value is None or value == "" else value for value in r] for r in rows]
    return pd.DataFrame(plain, columns=names)
