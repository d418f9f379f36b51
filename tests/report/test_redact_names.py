"""A redacted report does not depend on names: with others it is the same but for the hashes.

This says more than a search for each name, which cannot tell a patient called "white" from the
"share of white" of a check.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from report.conftest import STATES
from vestige.images.flags import FLAG_WARNINGS
from vestige.report import redact, render_html
from vestige.report.own_words import OWN_WORDS
from vestige.result import AuditResult
from vestige.schema.records import Calibration, Evidence, Problem, Share

N = 6
KEY = b"fixed"
Names = Mapping[str, str]


def whole(base: AuditResult, names: list[str]) -> AuditResult:
    """A result whose files, patients, tables and weights bear these names, in every place.

    Its sentences are those of vestige (`cohort`, `images.groups`, `images.reading`, `judge`).
    """
    name = [names[k % len(names)] + ("" if k < len(names) else f"~{k}") for k in range(5 * N)]
    findings = tuple(
        replace(
            f, id=name[k], group=name[N + k % 3], evidence=(Evidence(name[2 * N + k], 0.9),),
            carried_by=(Share("matched_filter_pool_8", 0.7), Share("density_ratio", 0.3)),
        )
        for k, f in enumerate(base.findings)
    )  # fmt: skip
    problems = (
        Problem(f"used/{name[0]}", "cannot be decoded: bad tag (0010,0010) " + name[1], "error"),
        Problem(f"query/{name[2]}", f"has the pixels of used/{name[3]}: its status is known to be "
                "used, it is answered from that", "warning"),
        Problem(f"generated/{name[4]}", f"1 generated image(s) have exactly the pixels of a used "
                f"image, e.g. used/{name[5]}", "warning"),
        Problem(f"used/{name[6]}", f"is a DICOM of photometric interpretation {name[7]!r}",
                "error"),
        Problem(f"used/{name[8]}", f"holds several arrays ({name[9]}, {name[10]}); keep one",
                "error"),
        Problem(f"unused/{name[11]}", f"3 of 40 images: {next(iter(FLAG_WARNINGS.values()))}",
                "warning"),
        Problem(f"unused/{name[12]}", f"3 of 40 images: decoder: {name[13]}", "warning"),
        Problem("unused", "2 unused image(s) belong to a group (patient or near-duplicate cluster) "
                "that is also in used: they were scored but do not calibrate", "warning"),
    )  # fmt: skip
    return replace(
        base,
        findings=findings,
        calibration=Calibration(
            tuple(name[3 * N : 4 * N]), tuple(name[4 * N : 5 * N]), base.calibration.scores
        ),
        question=replace(
            base.question, groups_from=f"the CSV file {name[14]}: 12 images in 6 groups"
        ),
        problems=problems,
        manifest=replace(
            base.manifest,
            options=base.manifest.options
            | {"detector_options": {"siamese": {"weights": name[15]}}, "engine": name[16],
               "weights": {"matched_filter_pool_8": 2.0}, "window": [40.0, 400.0]},
            weights_sha256={name[17]: "ef" * 32},
        ),
        thumbnails={f"real:{name[0]}": b"\x89PNG\r\n\x1a\n" + b"pixels"},
    )  # fmt: skip


def masked(result: AuditResult) -> tuple[list[str], str]:
    """The redacted JSON and page, charts and all, with every hash alike and rows in some order."""
    hidden = redact(result, KEY)
    texts = (hidden.to_json(), render_html(hidden))
    json, page = (re.sub(r"\b[0-9a-f]{12}\b", "#", text) for text in texts)
    return sorted(line.rstrip(",") for line in json.splitlines()), page


PLAIN = [f"n{k:04d}x" for k in range(5 * N)]
words = st.sampled_from(sorted(OWN_WORDS))
hostile = st.one_of(
    st.text(min_size=1, max_size=3),  # short, any script
    st.text("0123456789.-", min_size=1, max_size=6),  # like the numbers of sentences
    words,  # equal to words of the report
    words.map(str.capitalize),
    st.tuples(words, words).map(" ".join),
    st.text(min_size=1, max_size=20),
    st.sampled_from(["<b>Anna</b>", "</td><script>", "&amp;", "{{ result }}", "AUC", "p", "used"]),
    st.sampled_from(["Dr Meier patients.csv", "ward 7/Anna Maria, 1961", "a'b\"c.png", "x: y (z)"]),
    st.tuples(words, st.integers(0, 99)).map(lambda pair: f"{pair[0]}/{pair[0]}_{pair[1]}.dcm"),
)


@pytest.fixture(scope="module")
def base() -> AuditResult:
    from report.conftest import make_result

    made: AuditResult = make_result("leak found", n=N, hostile=False, thumbnails=False)
    scores = dict(zip(sorted(range(N), key=lambda k: made.findings[k].score), range(N),
                      strict=True))  # fmt: skip
    findings = tuple(
        replace(f, score=float(scores[k]), p_value=0.01 * (N - scores[k]), columns={"a": 1.0})
        for k, f in enumerate(made.findings)
    )  # one order of rows, and JSON rows that differ by nothing but names
    return replace(made, findings=findings)


@pytest.fixture(scope="module")
def plain(base: AuditResult) -> tuple[list[str], str]:
    return masked(whole(base, PLAIN))


@given(st.lists(hostile, min_size=4, max_size=20, unique=True))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_other_names_change_nothing_but_hashes(
    base: AuditResult, plain: tuple[list[str], str], names: list[str]
) -> None:
    rows, page = masked(whole(base, names))
    assert (rows, page) == plain


@pytest.mark.parametrize("state", STATES)
def test_patients_named_like_the_words_of_the_decision(make_result: Any, state: Any) -> None:
    made = make_result(state, n=N, hostile=False, thumbnails=False)
    said = " ".join([made.decision.text, *(c.vetoes for c in made.checks)])
    tokens = [word.strip(".,;:()") for word in said.split()]
    names = sorted({word for word in tokens if word.lower() in OWN_WORDS or word[:1].isdigit()})
    named = whole(made, names)
    hidden = redact(named, KEY)
    assert hidden.decision == named.decision
    assert hidden.checks == made.checks
    assert hidden.set_measures == made.set_measures


def test_the_place_of_a_row_does_not_tell_its_name(base: AuditResult) -> None:
    """Under a random key the order of 6 rows is that of the files in 1 of 720 reports.

    30 reports, all of them in that order: probability 720^-30.
    """
    result = whole(base, PLAIN)
    scores = [f.score for f in result.findings]
    shuffled = [[f.score for f in redact(result).findings] for _ in range(30)]
    assert any(order != scores for order in shuffled)
    assert len({tuple(order) for order in shuffled}) > 1
    calibration = [redact(result).calibration.scores for _ in range(30)]
    assert len(set(calibration)) > 1


def test_what_is_left_of_problems_and_groups(base: AuditResult) -> None:
    hidden = redact(whole(base, PLAIN), KEY)
    assert hidden.question.groups_from == "a CSV file: 12 images in 6 groups"
    assert sorted(p.what for p in hidden.problems) == [
        "1 generated image(s) have exactly the pixels of a used image [removed]",
        "2 unused image(s) belong to a group [removed]",
        "3 of 40 images [removed]",
        f"3 of 40 images: {next(iter(FLAG_WARNINGS.values()))}",
        "cannot be decoded [removed]",
        "has the pixels of [removed]",
        "holds several arrays [removed]",
        "is a DICOM of photometric interpretation [removed]",
    ]
    for given_, kept in (
        ("the regular expression 'ward7_(p[0-9]+)' on the ids: 12 images in 6 groups",
         "a regular expression on the ids: 12 images in 6 groups"),
        ("the CSV file Meier.csv: 12 images in 6 groups; near copies joined them to 5",
         "a CSV file: 12 images in 6 groups; near copies joined them to 5"),
        *[(own, own) for own in (
            "DICOM patient ids: 12 images in 6 groups",
            "DICOM patient ids (missing in 3 of 12 images): 12 images in 6 groups",
            "files, DICOM studies and near-duplicate clustering (no patient ids were given): 12 "
            "images in 6 groups; slices of one patient that look unlike count as several",
        )],
        ("DICOM patient ids: 12 images in 6 groups; Dr Meier", "[removed]"),
        ("a list by Dr Meier", "[removed]"),
    ):  # fmt: skip
        told = replace(base, question=replace(base.question, groups_from=given_))
        assert redact(told).question.groups_from == kept
