"""What `vestige.audit` returns: the record of an audit, and the files that are made of it."""

import csv
import io
import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from vestige.decision.audited import Audited
from vestige.files.regular import read_text
from vestige.files.spreadsheet import cell, number
from vestige.files.whole import write_together
from vestige.registry.entries import InputError
from vestige.report import render_html

OLD_FIELDS = {"controls": "checks", "conformity": "preparation", "tried": "run_history"}


@dataclass(frozen=True)
class AuditResult(Audited):
    """The whole answer. `save` writes result.json, findings.csv and report.html."""

    def __getattr__(self, name: str) -> Any:
        """The fields by the names that they had in 0.1, with a warning, until 0.3."""
        if name not in OLD_FIELDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        new = OLD_FIELDS[name]
        warnings.warn(
            f".{name} is now .{new} and will go in 0.3.", DeprecationWarning, stacklevel=2
        )
        return getattr(self, new)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result.json file."""
        return cls.from_json(read_text(path))

    def to_csv(self) -> str:
        """The text of findings.csv: one row per finding; safe to open in a spreadsheet."""
        columns = sorted({name for f in self.findings for name in f.columns})
        out = io.StringIO()
        writer = csv.writer(out)  # CRLF (RFC 4180), so that names with a CR are quoted too
        writer.writerow(
            ["id", "group", "role", "verdict", "score", "p_value", "q_value", *map(cell, columns)]
            + ["nearest_generated", "similarity", "carried_by", "relation", "stands_out", "word"]
        )
        for f in self.findings:
            near = f.evidence[0] if f.evidence else None
            numbers = [f.score, f.p_value, f.q_value, *(f.columns.get(c) for c in columns)]
            writer.writerow(
                [cell(f.id), cell(f.group), f.role, f.verdict, *map(number, numbers)]
                + ([cell(near.generated), number(near.similarity)] if near else ["", ""])
                + [cell("; ".join(f"{part.column} {part.share:.2f}" for part in f.carried_by))]
                + [f.relation, str(f.stands_out).lower(), f.word]
            )
        return out.getvalue()

    def to_frame(self) -> Any:
        """Findings as a pandas DataFrame (needs the extra ``table``)."""
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("to_frame needs pandas: pip install 'vestige[table]'") from error
        rows = [
            {k: v for k, v in asdict(f).items() if k not in ("columns", "evidence", "carried_by")}
            | {"similarity": f.similarity, "word": f.word}
            | f.columns
            for f in self.findings
        ]
        return pd.DataFrame(rows)

    def save(self, out: str | os.PathLike[str]) -> Path:
        """Write result.json, findings.csv and report.html; all or nothing.

        Returns
        -------
        Path
            The report.

        Raises
        ------
        InputError
            When `out` cannot be written.
        """
        texts = {
            "findings.csv": self.to_csv(),
            "report.html": render_html(self),
            "result.json": self.to_json(),  # last: its presence says that the rest is complete
        }
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        write_together({folder / name: text for name, text in texts.items()})
        return folder / "report.html"
