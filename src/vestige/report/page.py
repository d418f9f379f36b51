"""From sections to one HTML page."""

from collections.abc import Sequence

from vestige.decision.audited import Audited
from vestige.report.blocks import Section
from vestige.report.glossary import anchor
from vestige.report.words import banner, visible


def render_page(result: Audited, sections: Sequence[Section], of: str = "audit") -> str:
    """One offline HTML file: the decision, then the sections; everything is escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vestige.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
    )
    linked: set[str] = set()

    def term(label: str) -> str:
        """A heading; the first of each term links to its explanation."""
        place = anchor(label)
        if not place or place in linked or of != "audit":
            return visible(label)
        linked.add(place)
        return Markup('<a href="#{}">{}</a>').format(place, label)

    environment.filters["term"] = term
    environment.filters["drawing"] = Markup  # our own SVG (report/charts.py), no user text in it
    return environment.get_template("page.html.j2").render(
        banner=banner(result),
        sections=sections,
        result=result,
        of=of,
        redacted=result.manifest.options.get("redacted") is True,
    )
