"""Every term has plain sentences, on the page and in the docs; headings link to it once."""

import re
from pathlib import Path
from typing import Any

import pytest

from report.test_page import Page
from vestige.report import render_html
from vestige.report.glossary import GLOSSARY, LABELS, anchor

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
