"""result.json and findings.csv: what is written comes back, and nothing hostile gets in."""

import csv
import io
import json
from dataclasses import fields, replace
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.decision import decide
from vestige.decision.audited import schema, strongest_first
from vestige.decision.records import (
    Bounds,
    Chance,
    CopiedShare,
    Copy,
    CopySearch,
    Epsilon,
    Shown,
    Unlike,
    Unread,
)
from vestige.registry.entries import InputError
from vestige.report.findings_table import CONTROL
from vestige.result import AuditResult
from vestige.schema.records import (
    Calibration,
    Check,
    CurvePoint,
    DetectorTest,
    Estimate,
    Evidence,
    Finding,
    LevelCode,
    Manifest,
    Needed,
    PatientFinding,
    PlantedLevel,
    PreparationComparison,
    PreparationDifference,
    Problem,
    Question,
    Rate,
    ReleaseCurve,
    RunHistory,
    SetMeasure,
    SetTest,
    Share,
)
from vestige.symmetries import Symmetry

# --- results of every shape, names of every kind (but lone surrogates, see below)
text = st.text(max_size=12)
awkward = st.sampled_from(
    ['=1+1"', "+x", "-x", "@x", "\t=x", "\rx", "\n=x", "'x", "＝x", 'a"b', "a,b", "a\r\nb", "a\nb"]
)
names = text | awkward
share = st.floats(0, 1)
number = st.floats(allow_nan=False, allow_infinity=False)
count = st.integers(0, 10**6)
estimates = st.builds(Estimate, share, share, share, count)
free = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


def few(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


views = st.sampled_from(get_args(Symmetry))
levels = st.sampled_from(get_args(LevelCode))
relations = st.sampled_from(["same patient used", "unrelated", ""])
findings = st.builds(
    Finding,
    id=names,
    group=names,
    role=st.sampled_from(["query", "used"]),
    score=number,
    p_value=st.none() | share,
    q_value=st.none() | share,
    verdict=st.sampled_from(["used", "no evidence", "uncalibrated"]),
    columns=st.dictionaries(names, number, max_size=3),
    evidence=few(st.builds(Evidence, names, st.floats(-1, 1))),
    relation=relations,
    stands_out=st.booleans(),
    copied=st.booleans(),
)
results = st.builds(
    AuditResult,
    question=st.builds(
        Question,
        st.sampled_from(["release", "forensic"]),
        st.dictionaries(text, count, max_size=3),
        count,
        text,
        share,
        st.booleans(),
        share,
    ),
    findings=few(findings),
    set_test=st.none()
    | st.builds(
        SetTest,
        st.sampled_from(["query", "used"]),
        estimates,
        share,
        share,
        few(st.builds(Rate, share, share, share, count, share)),
        few(st.builds(DetectorTest, text, share, share, share)),
        few(st.builds(Needed, share, count, st.sampled_from(["images", "groups"]))),
    ),
    checks=few(
        st.builds(
            Check,
            text,
            st.none() | estimates,
            st.none() | share,
            st.booleans(),
            text,
            st.sampled_from(["passed", "failed", "not possible", "not needed"]),
            st.dictionaries(text, estimates, max_size=2),
            few(st.builds(PlantedLevel, levels, count, count, count)),
        )
    ),
    problems=few(st.builds(Problem, names, text, st.sampled_from(["error", "warning"]))),
    manifest=st.builds(
        Manifest,
        text,
        text,
        st.dictionaries(text, text, max_size=2),
        st.integers(0, 2**40),
        st.dictionaries(text, free, max_size=2),
        st.dictionaries(text, text, max_size=2),
        st.dictionaries(text, text, max_size=2),
        text,
        st.dictionaries(text, st.floats(0, 1e6), max_size=2),
        count,
    ),
    calibration=few(st.tuples(names, names, number)).map(
        lambda rows: Calibration(
            tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows)
        )
    ),
    set_measures=few(st.builds(SetMeasure, text, st.none() | number, st.none() | share, text)),
    run_history=st.none()
    | st.builds(RunHistory, st.none() | count, count, count, st.none() | share, st.none() | share),
    release_curve=st.none()
    | st.builds(
        ReleaseCurve, share, few(st.builds(CurvePoint, count, estimates, share)), st.none() | count
    ),
    patients=few(
        st.builds(
            PatientFinding,
            names,
            count,
            count,
            st.none() | share,
            st.none() | share,
            st.sampled_from(["used", "no evidence", "uncalibrated"]),
            relations,
            st.sampled_from(["best image", "mean", ""]),
            st.booleans(),
            st.booleans(),
        ),
    ),
    preparation=few(
        st.builds(
            PreparationComparison,
            text,
            text,
            st.sampled_from(["as stored", "prepared"]),
            st.none() | share,
            st.booleans(),
            few(text),
            few(st.builds(PreparationDifference, text, text, text, share, st.none() | share, text)),
        )
    ),
    copies=few(
        st.builds(
            Copy,
            names,
            names,
            st.sampled_from(["query", "used", "unused", "reference"]),
            names,
            number,
            number,
            views,
            st.booleans(),
            st.sampled_from(["same pixels", "near copy"]),
        ),
        1,
    ),
    copy_search=st.none()
    | st.builds(
        CopySearch, st.none() | number, st.none() | number, count, few(views), count, count
    ),
    unread=few(st.builds(Unread, text, count, count, names, st.none() | share), 1),
    unlike=st.none()
    | st.builds(
        Unlike,
        st.sampled_from(["inverted", "other range", "other colours"]),
        text,
        number,
        number,
        share,
    ),
    chance=st.none() | st.builds(Chance, number, count),
    bounds=st.none()
    | st.builds(
        Bounds, share, share, few(st.builds(CopiedShare, levels, share)), st.none() | count
    ),
    epsilon=st.none() | st.builds(Epsilon, number, number, count, count, number),
)
EXAMPLE = AuditResult(
    question=Question("release", {"used": 1}, 1, "given", 0.05),
    findings=(
        Finding(
            "a.png",
            "g",
            "used",
            1.5,
            0.01,
            0.02,
            "used",
            {"d": 2.0},
            (Evidence("s", 0.9),),
            (Share("d", 1.0),),
            "unrelated",
        ),
    ),
    set_test=SetTest(
        "used",
        Estimate(0.7, 0.6, 0.8, 9),
        0.01,
        0.6,
        (Rate(0.2, 0.1, 0.3, 9, 0.05),),
        (DetectorTest("d", 0.7, 0.01, 0.02),),
        (Needed(0.55, 411, "images"),),
    ),
    checks=(
        Check(
            "planted",
            Estimate(0.5, 0.4, 0.6, 9),
            0.5,
            True,
            "nothing",
            details={"verbatim": Estimate(1.0, 0.8, 1.0, 20)},
            levels=(PlantedLevel("verbatim", 20, 20, 20), PlantedLevel("crop_80", 20, 3, 1)),
        ),
        Check("preparation", None, 0.001, False, "all", "failed"),
    ),
    problems=(Problem("b.png", "broken", "error"),),
    manifest=Manifest(
        "0",
        "3",
        {},
        1,
        {"a": [1, None]},
        {},
        {},
        "now",
        {"read": 1.0},
        5,
        question_sha256="q",
        config_sha256="c",
        overruled=("--seed",),
    ),
    calibration=Calibration(("c",), ("h",), (0.1,)),
    set_measures=(SetMeasure("closest_share", 0.6, 0.2, "so"),),
    run_history=RunHistory(1, 2, 3, 0.02, 0.3),
    release_curve=ReleaseCurve(0.6, (CurvePoint(9, Estimate(0.5, 0.4, 0.6, 9), 0.5),), None),
    patients=(PatientFinding("g", 1, 1, 0.01, 0.02, "used", "unrelated"),),
    preparation=(
        PreparationComparison(
            "used",
            "unused",
            "as stored",
            0.5,
            True,
            ("mode",),
            (PreparationDifference("mode", "L", "P", 1.0, 0.5, "why"),),
        ),
    ),
    copies=(
        Copy(
            "s",
            "a.png",
            "used",
            "g",
            0.9,
            4.0,
            "mirrored",
            False,
            "near copy",
            True,
            Shown(-0.0625, 0.03125, 1.0),
        ),
    ),
    copy_search=CopySearch(0.7, 0.4, 40, ("identity", "mirrored"), 1, 2),
    unread=(Unread("generated", 300, 1, "generated/x.png", 0.5),),
    unlike=Unlike("inverted", "mean grey", 200.0, 55.0, 0.97),
    chance=Chance(1, 4),
    bounds=Bounds(0.6, 0.2, (CopiedShare("verbatim", 0.03),), 212),
    epsilon=Epsilon(0.1, 0.2, 40, 30, 1e-5),
)
checker = jsonschema.Draft202012Validator(schema())


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@given(results)
@settings(max_examples=60, deadline=None)
def test_json_keeps_the_result_and_the_schema(result: AuditResult) -> None:
    text = result.to_json()
    checker.validate(json.loads(text))
    again = AuditResult.from_json(text)
    assert again == result
    assert again.to_json() == text


def test_schema_lists_every_field_of_every_type() -> None:
    # a field that only the dataclass or only the schema knows is found in either direction
    def refuse_missing(value: Any, kind: dict[str, Any]) -> None:
        if "$ref" in kind:
            kind = schema()["$defs"][kind["$ref"].rsplit("/", 1)[1]]
        for option in kind.get("anyOf", []):
            if "$ref" in option:
                refuse_missing(value, option)
        if isinstance(value, list):
            refuse_missing(value[0], kind["items"])
        elif kind.get("properties"):
            assert kind["additionalProperties"] is False
            assert set(value) == set(kind["properties"]) == set(kind["required"])
            for name, inner in value.items():
                refuse_missing(inner, kind["properties"][name])

    refuse_missing(json.loads(EXAMPLE.to_json()), schema())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, the free-form options left out."""
    found = [path] if path else []
    if not isinstance(value, dict | list) or path[-1:] == ("options",):
        return found
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return found + [p for key, v in inner for p in places(v, (*path, key))]


def put(raw: Any, path: tuple[Any, ...], value: Any) -> Any:
    for key in path[:-1]:
        raw = raw[key]
    raw[path[-1]] = value


RAW = json.loads(EXAMPLE.to_json())
PLACES = [p for p in places(RAW) if p != ("schema",)]
WRONG = [True, 7, 0.5, "text", [[]], {"x": {"y": 1}}, 10**400, None]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: type(w).__name__)
def test_a_wrong_type_anywhere_is_refused_where_the_schema_refuses_it(wrong: Any) -> None:
    """And where it changes the decision, or makes another one of the evidence."""
    refused = 0
    for path in PLACES:
        raw = json.loads(EXAMPLE.to_json())
        put(raw, path, wrong)
        by_schema = not checker.is_valid(raw)
        try:
            AuditResult.from_json(json.dumps(raw))
            ours = False
        except InputError as error:
            ours = "the decision in this result.json" not in str(error) or by_schema
            assert "\n" not in str(error) and len(str(error)) < 400
        if wrong == 10**400:
            assert ours  # a number no float holds; JSON Schema knows no such limit
        else:
            assert ours == by_schema, (path, wrong)
        refused += ours
    assert refused > len(PLACES) / 3


@pytest.mark.parametrize(
    "path",
    [
        ("unread", 0, "p_value"), ("unlike", "distance"), ("bounds", "auc_upper"),
        ("bounds", "exposed_share"), ("bounds", "copied_shares", 0, "share"),
        ("question", "max_auc"), ("findings", 0, "p_value"), ("run_history", "smallest_before"),
    ],
    ids=str,
)  # fmt: skip
def test_a_share_outside_0_to_1_is_refused(path: tuple[Any, ...]) -> None:
    for wrong in (-0.1, 1.1):
        raw = json.loads(EXAMPLE.to_json())
        put(raw, path, wrong)
        assert not checker.is_valid(raw)
        with pytest.raises(InputError, match="a share lies in 0..1"):
            AuditResult.from_json(json.dumps(raw))


@pytest.mark.parametrize("path", PLACES, ids=str)
def test_a_missing_or_unknown_key_is_refused(path: tuple[Any, ...]) -> None:
    raw = json.loads(EXAMPLE.to_json())
    parent = raw
    for key in path[:-1]:
        parent = parent[key]
    if isinstance(parent, list) or path[-2:-1] in [
        ("counts",), ("columns",), ("seconds",), ("dependencies",), ("details",)
    ]:  # fmt: skip
        return
    kept = parent.pop(path[-1])
    with pytest.raises(InputError, match=str(path[-1])):
        AuditResult.from_json(json.dumps(raw))
    parent[path[-1]] = kept
    parent["surplus"] = 1
    with pytest.raises(InputError, match="surplus"):
        AuditResult.from_json(json.dumps(raw))


# --- the decision
@given(results)
@settings(max_examples=60, deadline=None)
def test_the_decision_is_made_of_the_evidence_and_cannot_be_set(result: AuditResult) -> None:
    assert result.decision == decide(result.evidence)
    assert replace(result).decision == result.decision
    with pytest.raises(TypeError, match="decision"):
        AuditResult(**{f.name: getattr(result, f.name) for f in fields(result)})
    with pytest.raises(ValueError, match="decision"):
        replace(result, decision=result.decision)


def by_hand(path: tuple[Any, ...], value: Any) -> str:
    """The message for the example with one value changed; "" where it is read."""
    raw = json.loads(EXAMPLE.to_json())
    put(raw, path, value)
    assert raw != RAW
    assert checker.is_valid(raw)
    try:
        AuditResult.from_json(json.dumps(raw))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("decision", "state"), "not found"),
        (("decision", "gate"), "open"),
        (("decision", "codes"), ["nothing_found"]),
        (("decision", "facts", "copies"), 0),
        (("decision", "missed"), []),
        (("decision", "remedy"), []),
        (("decision", "text"), "Nothing found."),
        (("copies",), []),  # the evidence that the decision rests on
        (("copies", 0, "role"), "unused"),
        (("copies", 0, "by"), "same pixels"),
        (("unread", 0, "unread"), 200),
        (("unlike", "code"), "other range"),
        (("set_test", "p_value"), 0.5),
        (("checks", 1, "name"), "blind"),
        (("checks",), []),
        (("question", "mode"), "forensic"),
        (("question", "max_auc"), 0.99),
        (("run_history", "p_adjusted"), 0.5),
        (("bounds", "auc_upper"), 0.51),
        (("checks", 0, "levels", 1, "named"), 20),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_decision_changed_by_hand_is_refused(path: tuple[Any, ...], value: Any) -> None:
    said = by_hand(path, value)
    assert said.startswith("the decision in this result.json is not the one that its evidence")
    assert "Audit again" in said and "\n" not in said


def test_what_no_decision_rests_on_may_change() -> None:
    for path, value in (
        (("manifest", "started"), "yesterday"), (("copies", 0, "value"), 0.8),
        (("epsilon", "by_auc"), 0.3), (("problems",), []), (("findings", 0, "score"), 0.1),
    ):  # fmt: skip
        assert by_hand(path, value) == ""


def test_a_file_of_an_earlier_version_is_refused_with_one_line() -> None:
    for raw in ({"schema": 1}, json.loads(EXAMPLE.to_json()) | {"schema": 1}):
        with pytest.raises(InputError, match=r"schema 1\), which did not look for copies") as error:
            AuditResult.from_json(json.dumps(raw))
        assert "audit the same folders again" in str(error.value)
        assert "\n" not in str(error.value)
    for version in (3, 0, -1, 2.5, "2", None, [], True):
        with pytest.raises(InputError, match="schema"):
            AuditResult.from_json(json.dumps(json.loads(EXAMPLE.to_json()) | {"schema": version}))


DEEP = "[" * 5000 + "]" * 5000
NESTED = "[" * 40 + "]" * 40


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "3", "[]", "{}", '"x"', "nonsense", '{"schema": 1}', '{"schema": 2}', DEEP,
        '{"schema": true}', '{"schema": ' + NESTED + "}", '{"schema": 1, "x": ' + DEEP + "}",
        EXAMPLE.to_json().replace("0.05", "NaN"),
        EXAMPLE.to_json().replace("0.05", "-Infinity"),
        EXAMPLE.to_json().replace("0.05", "1e999"),
        EXAMPLE.to_json().replace("0.05", "1.5"),
        EXAMPLE.to_json().replace("0.05", "9" * 5000),
        EXAMPLE.to_json().replace('"a": [', '"a": [NaN,'),
        EXAMPLE.to_json().replace('"a": [', '"a": [' + "9" * 30 + ","),
        EXAMPLE.to_json().replace('"a": [', '"a": [' + NESTED + ","),
        EXAMPLE.to_json().replace('"a": [', '"a": [' + DEEP + ","),
        EXAMPLE.to_json().replace('"a": [', '"a": [1e999,'),
        EXAMPLE.to_json().replace('"h"', '"h", "i"'),
        EXAMPLE.to_json()[:-40],
    ],
    ids=range(25),
)  # fmt: skip
def test_hostile_json_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        AuditResult.from_json(text)


@given(st.recursive(free, lambda inner: st.lists(inner, max_size=2), max_leaves=4), st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_put_anywhere_gives_a_result_or_an_input_error(
    value: Any, data: st.DataObject
) -> None:
    raw = json.loads(EXAMPLE.to_json())
    put(raw, data.draw(st.sampled_from(PLACES)), value)
    try:
        result = AuditResult.from_json(json.dumps(raw))
    except InputError:
        return
    checker.validate(json.loads(result.to_json()))


def test_a_result_never_holds_nan() -> None:
    bad = replace(EXAMPLE, findings=(replace(EXAMPLE.findings[0], score=float("nan")),))
    with pytest.raises(ValueError, match="NaN"):
        bad.to_json()


# --- findings.csv
def _on_paper(name: str) -> str:
    """What a terminal would obey is escaped; all else comes back."""
    return CONTROL.sub(lambda match: repr(match[0])[1:-1], name)


@given(results)
@settings(max_examples=60, deadline=None)
def test_csv_is_free_of_formulas_and_gives_every_name_back(result: AuditResult) -> None:
    rows = list(csv.reader(io.StringIO(result.to_csv(), newline="")))
    columns = sorted({c for f in result.findings for c in f.columns})
    assert [len(row) for row in rows] == [13 + len(columns)] * (1 + len(result.findings))
    for cell in (cell for row in rows for cell in row):
        is_number = cell.startswith("-") and cell[1:2].isdigit()
        assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    back = [[cell.removeprefix("'") for cell in row] for row in rows]
    assert back[0][7:-6] == columns
    assert back[0][-2:] == ["stands_out", "word"]
    for row, finding in zip(back[1:], result.findings, strict=True):
        assert row[:2] == [_on_paper(finding.id), _on_paper(finding.group)]
        assert row[2:4] == [finding.role, finding.verdict]
        assert float(row[4]) == finding.score
        assert row[5] == ("" if finding.p_value is None else repr(float(finding.p_value)))
        near = finding.evidence[0].generated if finding.evidence else ""
        assert row[-6] == _on_paper(near)
        assert row[-3] == finding.relation
        assert row[-2:] == [str(finding.stands_out).lower(), finding.word]
        assert row[-5] == ("" if finding.similarity is None else repr(float(finding.similarity)))
        assert row[-4].count(";") >= len(finding.carried_by) - 1


def test_strongest_first() -> None:
    base = EXAMPLE.findings[0]
    copied = replace(base, id="c", copied=True, p_value=0.9, q_value=1.0, score=-3.0)
    known = replace(base, id="k", p_value=None, q_value=None, score=-9.0)
    later = replace(base, id="b", score=1.0)  # equal p and q: the rank decides
    second = replace(base, id="q", q_value=0.05, p_value=0.001)
    out = replace(base, id="o", verdict="no evidence", stands_out=True, q_value=0.6)
    weak = replace(base, id="w", verdict="no evidence", p_value=0.07, q_value=0.5)
    none = replace(base, id="n", verdict="no evidence", p_value=None, q_value=None, score=99.0)
    order = (copied, known, base, later, second, out, weak, none)
    assert strongest_first(order[::-1]) == order
    assert [f.word for f in order] == ["copy", "known used", *["named"] * 3, "stands out"] + [
        "no evidence"
    ] * 2  # fmt: skip
    assert [f.called for f in order] == [True, True, False, False, False, True, False, False]


def test_every_word_and_its_order() -> None:
    base = replace(EXAMPLE.findings[0], q_value=0.11, verdict="no evidence", stands_out=True)
    vetoed = replace(base, verdict="uncalibrated", stands_out=False)
    assert (base.word, vetoed.word) == ("stands out", "uncalibrated")
    assert replace(vetoed, verdict="used", copied=True).word == "copy"  # whatever the checks say
    assert replace(base, verdict="used", q_value=0.1).word == "named"
    patient = replace(EXAMPLE.patients[0], copied=True)
    assert (EXAMPLE.patients[0].word, patient.word) == ("named", "copy")


# --- files
def test_save_and_load(tmp_path: Any) -> None:
    not_utf8 = replace(EXAMPLE, findings=(replace(EXAMPLE.findings[0], id="\udcff.png"),))
    report = not_utf8.save(tmp_path / "out")
    written = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert written == ["findings.csv", "report.html", "result.json"]
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert AuditResult.load(tmp_path / "out" / "result.json") == not_utf8


def asked(question: str, seed: int = 0) -> AuditResult:
    return replace(EXAMPLE, manifest=replace(EXAMPLE.manifest, question_sha256=question, seed=seed))


def test_another_audit_is_not_replaced_unasked(tmp_path: Any) -> None:
    asked("a" * 64).save(tmp_path)
    asked("a" * 64, seed=1).save(tmp_path)  # the same question again
    for question in ("b" * 64, ""):
        with pytest.raises(InputError, match="holds the result of another audit") as refused:
            asked(question).save(tmp_path)
        assert "overwrite=True" in str(refused.value)
    assert AuditResult.load(tmp_path / "result.json") == asked("a" * 64, seed=1)
    asked("").save(tmp_path, overwrite=True)
    asked("").save(tmp_path)  # the very same, as redacted ones are
    with pytest.raises(InputError, match="another audit"):
        asked("", seed=1).save(tmp_path)
    (tmp_path / "result.json").write_text("no result")
    with pytest.raises(InputError, match="another audit"):
        asked("b" * 64).save(tmp_path)


def test_load_says_what_is_wrong(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="cannot read"):
        AuditResult.load(tmp_path / "missing.json")
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        AuditResult.load(tmp_path / "x.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        EXAMPLE.save(tmp_path / "file" / "out")
