"""Every term has plain sentences, on the page and in the docs; headings link to it once."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from report.annexes import context_of
from report.conftest import STATES
from report.test_page import Page
from vestige.decision.records import Withheld
from vestige.report import render_html
from vestige.report.annex import render_annex
from vestige.report.compared import render_comparison
from vestige.report.glossary import GLOSSARY, LABELS, anchor
from vestige.report.scrubbed import render_scrub

DOCS = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"


@pytest.mark.parametrize("term", GLOSSARY)
def test_a_term_is_told_in_one_to_three_sentences(term: str) -> None:
    said = GLOSSARY[term]
    assert said[0].isupper() and said.endswith(".")
    assert 1 <= len(re.findall(r"[.](?= [A-Z]|$)", said)) <= 4
    assert anchor(term)


def test_terms_stand_in_alphabetical_order_and_each_label_names_one() -> None:
    assert list(GLOSSARY) == sorted(GLOSSARY, key=lambda term: term.lower().replace("-", " "))
    assert set(LABELS.values()) <= set(GLOSSARY)


def test_the_docs_hold_the_same_sentences() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    for term, said in GLOSSARY.items():
        assert f"**{term}.** {said}" in text


def test_the_first_heading_of_each_term_links_to_it(make_result: Any) -> None:
    page = Page(render_html(make_result("leak found")))
    ids = {a["id"] for _, a in page.tags if a.get("id", "").startswith("word-")}
    links = [a["href"][1:] for tag, a in page.tags if tag == "a" and "#word-" in a["href"]]
    assert ids == {anchor(term) for term in GLOSSARY}
    assert len(links) == len(set(links)) and set(links) <= ids
    assert {"word-auc", "word-p-value", "word-q-value", "word-rank"} <= set(links)


class Said(HTMLParser):
    """Every text of a page with the name of its tag."""

    TAGS = ("p", "li", "figcaption", "caption", "dd", "h1", "h2", "h3", "summary", "th", "text")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.inside = ""
        self.feed(re.sub("<(style|script)>.*?</(style|script)>", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.TAGS:
            self.inside = tag
            self.texts.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside:
            tag, text = self.texts[-1]
            self.texts[-1] = tag, text + data


def pages(make_result: Any, folder: Path) -> Iterator[str]:
    """The page and the annex of every state, a comparison, and the page of a scrub."""
    context = context_of(folder, "")
    for state in STATES:
        for mode in ("release", "forensic"):
            yield render_html(make_result(state, mode, n=30, hostile=False))
        yield render_annex(make_result(state, n=30, hostile=False), context)
    first, second = (make_result(s, n=30, hostile=False) for s in ("copies found", "not found"))
    yield render_comparison(first, second)
    copies = first.copies
    gone = [Withheld(c.generated, c.real, c.role, c.group, "near copy", 0) for c in copies]
    yield render_scrub(first, second, gone, 500, first.thumbnails)


OUT_OF_USE = re.compile(r"(?i)\b(suspects?|candidates?|controls?|victims?|culprits?|fakes?)\b")
"""Words that the glossary has others for; it tells itself how they were used in 0.1."""
ONE_OF_MANY = re.compile(r"(?<![\d,.])\b1 (\w+ )?(images|patients|groups|pairs|times)\b(?! of)")


def test_all_sentences_of_all_states_use_the_words_of_the_glossary(
    make_result: Any, tmp_path: Path
) -> None:
    seen: set[tuple[str, str]] = set()
    for html in pages(make_result, tmp_path):
        seen |= {(tag, " ".join(text.split())) for tag, text in Said(html).texts}
    assert len(seen) > 300
    own = set(GLOSSARY.values())
    for tag, text in seen:
        if text not in own:
            assert not OUT_OF_USE.search(re.sub(r"fakes/\S+", "", text)), text
        assert not ONE_OF_MANY.search(text), text
        for fault in ("{", "}", " ,", "()", ". .", " nan", "`"):
            assert fault not in text, (fault, text)
        if tag == "p" and text[:1].isupper() and len(text.split()) > 7 and ". " in text:
            assert text.endswith((".", "?", "”", ":")) or "vestige " in text, text
