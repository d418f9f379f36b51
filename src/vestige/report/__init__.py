"""The report: one offline HTML page that a person understands in a minute."""

from vestige.report.redact import redact
from vestige.report.sections import SECTIONS
from vestige.report.words import banner, visible
from vestige.result import AuditResult

__all__ = ["SECTIONS", "redact", "render_html"]


def render_html(result: AuditResult, redact: bool = False) -> str:
    """Render the report: one file without scripts, links or anything loaded from elsewhere.

    Parameters
    ----------
    result : AuditResult
        What the audit said. Everything in it may be hostile (file names are); all is escaped.
    redact : bool
        Leave hashes and aggregates only: no name, path, group or picture.

    Returns
    -------
    str
        HTML that can be written as UTF-8.
    """
    import jinja2
    from markupsafe import Markup

    if redact:
        result = _redact(result)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vestige.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
    )
    environment.filters["drawing"] = Markup  # our own SVG (report/charts.py), no user text in it
    made = (section(result) for section in SECTIONS)
    return environment.get_template("page.html.j2").render(
        banner=banner(result),
        sections=[section for section in made if section is not None],
        result=result,
        redacted=result.manifest.options.get("redacted") is True,
    )


_redact = redact  # `render_html` has a parameter of that name
