"""From sections to one HTML page."""

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from vestige.decision.audited import Audited
from vestige.report.annex_words import day_of
from vestige.report.blocks import PRINTED_ROWS, Part, Section
from vestige.report.glossary import anchor
from vestige.report.words import ROLES, banner, visible


@cache
def environment() -> Any:
    """The templates, compiled once for all pages of a process."""
    import jinja2
    from markupsafe import Markup, escape

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
        return Markup().join(code(p) if k % 2 else p for k, p in enumerate(parts))

    def code(command: str) -> str:
        """A command of which no option is broken at its hyphens, however narrow the page is."""
        option, words = Markup('<span class="option">{}</span>'), visible(command).split(" ")
        told = (option.format(w) if w.startswith("-") else escape(w) for w in words)
        return Markup("<code>{}</code>").format(Markup(" ").join(told))

    def css(text: str) -> str:
        """One of vestige's own headings as a string of CSS."""
        return "'" + visible(text).replace("\\", r"\\").replace("'", r"\'") + "'"

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
    made.filters["code"] = code
    made.filters["css"] = css
    made.globals["printed"] = PRINTED_ROWS
    made.filters["ours"] = Markup  # our own SVG and script, without a text of the user
    return made


@cache
def _script() -> tuple[str, str]:
    """The only script of the page, and the word of the policy that allows this text alone."""
    text = files("vestige.report").joinpath("templates/page.js").read_text(encoding="utf-8")
    return text, f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"


def render_page(result: Audited, parts: Sequence[Section | Part], of: str = "audit") -> str:
    """One offline HTML file: the decision, then its parts; everything is escaped."""
    script, allowed = _script()
    counts = result.question.counts
    page: str = (
        environment()
        .get_template("page.html.j2")
        .render(
            banner=banner(result),
            parts=parts,
            result=result,
            of=of,
            counts=" · ".join(f"{counts[r]:,} {r}" for r in ROLES if counts.get(r)),
            day=day_of(result.manifest.started),
            linked=set(),
            redacted=result.manifest.options.get("redacted") is True,
            script=script,
            allowed=allowed,
        )
    )
    return page
