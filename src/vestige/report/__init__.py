"""The report: one offline HTML page that a person understands in a minute."""

from vestige.decision.audited import Audited
from vestige.report.page import render_page
from vestige.report.redact import redact
from vestige.report.sections import SECTIONS, parts

__all__ = ["SECTIONS", "redact", "render_html"]


def render_html(result: Audited, redact: bool = False) -> str:
    """Render the report: one file that loads nothing; its only script sorts tables.

    Parameters
    ----------
    result : Audited
        What the audit said. Everything in it may be hostile (file names are); all is escaped.
    redact : bool
        Leave hashes and aggregates only: no name, path, group or picture.

    Returns
    -------
    str
        HTML that can be written as UTF-8.
    """
    if redact:
        result = _redact(result)
    return render_page(result, parts(result))


_redact = redact  # `render_html` has a parameter of that name
