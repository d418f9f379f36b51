"""From sections to one HTML page."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from vestige.decision.audited import Audited
from vestige.report.blocks import Section
from vestige.report.glossary import anchor
from vestige.report.words import banner, visible


@cache
def environment() -> Any:
    """The templates, compiled once for all pages of a process."""
    import jinja2
    from markupsafe import Markup

    @jinja2.pass_context
    def term(context: Any, label: str) -> str:
        """A heading; in an audit the first of each term links to its explanation."""
        place, linked = anchor(label), context["linked"]
        if not place or place in linked or context["of"] != "audit":
            return visible(label)
        linked.add(place)
        return Markup('<a href="#{}">{}</a>').format(place, label)

    def coded(sentence: str) -> str:
        """A sentence in which what stands between two backticks is set as code."""
        parts = visible(sentence).split("`")
        if len(parts) % 2 == 0:
            return visible(sentence)
        code = Markup("<code>{}</code>")
        return Markup().join(code.format(p) if k % 2 else p for k, p in enumerate(parts))

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("vestige.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
    )
    made.filters["term"] = term
    made.filters["coded"] = coded
    made.filters["drawing"] = Markup  # our own SVG (report/charts.py), no user text in it
    return made


def render_page(result: Audited, sections: Sequence[Section], of: str = "audit") -> str:
    """One offline HTML file: the decision, then the sections; everything is escaped."""
    page: str = (
        environment()
        .get_template("page.html.j2")
        .render(
            banner=banner(result),
            sections=sections,
            result=result,
            of=of,
            linked=set(),
            redacted=result.manifest.options.get("redacted") is True,
        )
    )
    return page
