"""What `vestige.audit` returns: the record of an audit, and the files that are made of it."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from vestige.decision.audited import Audited
from vestige.files.regular import read_text
from vestige.files.whole import write_together
from vestige.registry.entries import InputError
from vestige.report import card, render_html
from vestige.report.findings_table import as_csv, as_frame
from vestige.report.plots import Plot, plot
from vestige.report.shown import display_card, in_notebook, open_page, own_folder

OLD_FIELDS = {"controls": "checks", "conformity": "preparation", "tried": "run_history"}


@dataclass(frozen=True, repr=False)
class AuditResult(Audited):
    """The whole answer. `save` writes result.json, findings.csv and report.html.

    A notebook shows it as a card: the decision, three numbers and the nearest pairs.
    """

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

    def __repr__(self) -> str:
        return card.one_line(self)

    def _repr_html_(self) -> str:
        return card.html(self)

    def _repr_markdown_(self) -> str:
        return card.markdown(self)

    def summary(self) -> str:
        """The decision, copies, AUC and named patients, and the nearest pairs, as plain text."""
        return card.summary(self)

    def plot(self, what: Plot = "scores", ax: Any = None) -> Any:
        """Draw "scores", "roc" or "pairs" (needs the extra ``plot``); gives matplotlib Axes."""
        return plot(self, what, ax)

    def show(self, out: str | os.PathLike[str] | None = None) -> Path | None:
        """Show the card in a notebook, else write the report and open it where there is a screen.

        Parameters
        ----------
        out : folder, optional
            As of `save`; default: a new temporary folder.

        Returns
        -------
        Path or None
            The report, if it was written.
        """
        if out is None and in_notebook():
            display_card(self)
            return None
        report = self.save(own_folder() if out is None else out)
        open_page(report)
        return report

    def to_csv(self) -> str:
        """The text of findings.csv: one row per finding; safe to open in a spreadsheet."""
        return as_csv(self)

    def to_frame(self) -> Any:
        """The table of findings.csv as a pandas DataFrame (needs the extra ``table``)."""
        return as_frame(self)

    def save(self, out: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write result.json, findings.csv and report.html; all or nothing.

        Parameters
        ----------
        out : folder
            Made if it is missing. It may hold a result of the same question, which is replaced.
        overwrite : bool
            Replace the result of another audit, too.

        Returns
        -------
        Path
            The report.

        Raises
        ------
        InputError
            When `out` cannot be written, or holds the result of another audit.
        """
        if not overwrite:
            refuse_other(out, self.manifest.question_sha256, self.to_json)
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


def refuse_other(out: str | os.PathLike[str], question: str, text: Callable[[], str] = str) -> None:
    """Refuse a folder with a result of another question than this digest, or of an unknown one.

    `text` makes what is to be written; a folder that holds the very same is not refused. Redacted
    results have no digest.

    Raises
    ------
    InputError
    """
    path = Path(out) / "result.json"
    if not path.exists():
        return
    try:
        known = AuditResult.load(path).manifest.question_sha256
    except InputError:
        known = ""
    if (known != question or not known) and not _holds(path, text()):
        raise InputError(
            f"{os.fspath(out)} holds the result of another audit: name another folder, or give "
            "--force to replace it."
        )


def _holds(path: Path, text: str) -> bool:
    return path.read_bytes() == text.encode()
