"""A data team: a question in a file, a dry run, JUnit XML, results that are not lost."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import pytest

from story.world import FILES, call, load, names, release
from vestige.auditing import audit as audit_module

CONFIG = """
[images]
generated = "generated"
used = "used"
unused = "unused"

[patients]
groups = "groups.csv"

[question]
max-auc = 0.7
checks = false

[detectors]
detector = ["nearest_distance_contrast"]

[running]
engine = "local:1"
seed = 3
"""


def write(folder: Path, text: str = CONFIG) -> Path:
    """A folder of another place with the file of a question beside the images."""
    path = folder / "vestige.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def planned(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The leaking images with a question beside them."""
    folder = tmp_path_factory.mktemp("planned") / "team"
    shutil.copytree(leaking, folder)
    write(folder)
    return folder


@pytest.fixture(scope="module")
def audited(planned: Path) -> Path:
    """The audit of that file, with JUnit XML; 3: the gate is closed."""
    out = planned.with_name("out")
    with pytest.raises(SystemExit) as end:
        vestige_main("audit", "--config", planned / "vestige.toml", "--out", out, "--gate",
                     "--junit", out.with_name("gate.xml"), "--max-auc", 0.6, "--quiet")  # fmt: skip
    assert end.value.code == 3
    return out


def vestige_main(*arguments: object) -> None:
    from vestige.cli.main import main

    main([str(argument) for argument in arguments])


# --- the file of the question
def test_the_file_is_the_question_and_its_digest_is_in_the_manifest(
    planned: Path, audited: Path
) -> None:
    result = load(audited)
    digest = hashlib.sha256((planned / "vestige.toml").read_bytes()).hexdigest()
    assert result.manifest.config_sha256 == digest
    assert result.manifest.overruled == ("--max-auc",)
    assert len(result.manifest.question_sha256) == 64
    assert (result.question.max_auc, result.manifest.seed) == (0.6, 3)
    assert result.manifest.options["detectors"] == ["nearest_distance_contrast"]
    assert result.question.patient_ids
    assert digest in (audited / "report.html").read_text(encoding="utf-8")


def test_what_the_command_line_overrules_is_listed(
    planned: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def stop(folders: Any, options: Any, progress: object) -> None:
        seen.update(folders | vars(options))
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_module, "run_audit", stop)
    said = call(
        capsys, "audit", "--config", planned / "vestige.toml", "--out", tmp_path / "o",
        "--checks", "--detector", "mc_ball", "--seed=4",
    )  # fmt: skip
    assert (
        said.out == "Instead of vestige.toml: --checks, --detector, --seed of the command line.\n"
    )
    assert (seen["checks"], seen["detectors"], seen["seed"]) == (True, ("mc_ball",), 4)
    assert (seen["max_auc"], Path(seen["used"])) == (0.7, planned / "used")


def test_a_file_of_that_name_is_not_picked_up_unasked(
    planned: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(planned)
    said = call(capsys, "audit", "--out", tmp_path / "o")
    assert said.code == 2 and said.err.startswith("vestige: which synthetic images?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[question]\nmax-auk = 0.6\n", "unknown key max-auk (did you mean max-auc?)"),
        ("[questions]\n", "unknown table questions (did you mean question?)"),
        ("question = 1\n", "question is a table: write [question]"),
        ("[question]\nmax-auc = 'high'\n", "question.max-auc must be a number, not 'high'"),
        ("[question]\nchecks = 1\n", "question.checks must be true or false, not 1"),
        ("[running]\nseed = true\n", "running.seed must be a whole number, not True"),
        ("[running]\nseed = 1.5\n", "running.seed must be a whole number, not 1.5"),
        ("[images]\nused = ['a']\n", "images.used must be a text"),
        ("[images]\nused = ''\n", "images.used must be a text"),
        ("[detectors]\ndetector = 'auto'\n", "detectors.detector must be a list"),
        ("[output]\nforce = true\n", "unknown key force"),
        ("[question]\nconfig = 'a'\n", "unknown key config"),
        ("[question\n", "vestige.toml is not valid TOML"),
        ("[question]\nmax-auc = 1.5\n", "the largest accepted AUC lies above .5 up to 1"),
        ("[images]\nimageclef = 'a'\nused = 'b'\n", "gives imageclef and used"),
        ("[patients]\ngroups = 'a.csv'\ngroup-regex = 'p'\n", "gives groups and group-regex"),
    ],
)
def test_a_fault_of_the_file_is_one_line(text: str, said: str, tmp_path: Path, capsys: Any) -> None:
    path = write(tmp_path, text)
    roles = ["--generated", tmp_path] if "max-auc = 1.5" in text else []
    found = call(capsys, "audit", "--config", path, *roles, "--out", tmp_path / "o")
    assert found.code == 2 and found.err.count("\n") == 1
    assert said in found.err
    assert names(tmp_path) == ["vestige.toml"]


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: Any) -> None:
    said = call(capsys, "audit", "--config", tmp_path / "no.toml", "--out", tmp_path / "o")
    assert said.code == 2 and "no.toml" in said.err and said.err.count("\n") == 1


# --- JUnit XML
def test_the_gate_is_junit_xml_beside_the_result(audited: Path) -> None:
    root = Tree.parse(audited.with_name("gate.xml")).getroot()  # noqa: S314
    decision = root.find("testsuite/testcase")
    assert decision is not None and decision.get("name") == load(audited).decision.state
    assert int(root.get("failures", "0")) > 0
    told = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert told["config_sha256"] == load(audited).manifest.config_sha256


@pytest.mark.parametrize(
    ("file", "gate", "said"),
    [
        ("absent/gate.xml", ["--gate"], "cannot write"),
        (".", ["--gate"], "cannot write"),
        ("gate.xml", [], "--junit writes what the gate decides: give --gate as well."),
    ],
)
def test_junit_that_cannot_be_written_is_one_line_before_the_audit(
    file: str, gate: list[str], said: str, leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    command = [*release(leaking), "--out", tmp_path / "o", *gate, "--junit", tmp_path / file]
    for name in ("audit", "check"):
        found = call(capsys, name, *command)
        assert found.code == 2 and found.err.count("\n") == 1
        assert said in found.err
        assert names(tmp_path) == []


def test_the_file_of_the_question_is_not_written_to(planned: Path, capsys: Any) -> None:
    file = planned / "vestige.toml"
    before = file.read_bytes()
    for name in ("audit", "check"):
        command = ("--config", file, "--out", planned / "new", "--gate", "--junit", file)
        found = call(capsys, name, *command)
        assert (found.code, found.err.count("\n")) == (2, 1)
        assert "which is read as --config" in found.err
    assert file.read_bytes() == before and not (planned / "new").exists()


# --- results of other audits
def test_another_question_is_refused_and_the_same_is_not(
    planned: Path, audited: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    shutil.copytree(audited, out)
    before = {name: (out / name).read_bytes() for name in FILES}
    same = ("audit", "--config", planned / "vestige.toml", "--out", out)
    other = call(capsys, *same, "--quiet")  # the limit is another one
    assert other.code == 2 and other.err.count("\n") == 1
    assert "holds the result of another audit: name another folder, or give --force" in other.err
    assert {name: (out / name).read_bytes() for name in FILES} == before
    again = call(capsys, *same, "--max-auc", 0.6)
    assert (again.code, again.err) == (0, "")
    forced = call(capsys, *same, "--force")
    assert (forced.code, load(out).question.max_auc) == (0, 0.7)


def test_a_result_that_tells_no_question_is_not_replaced(
    planned: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    said = call(capsys, "audit", "--config", planned / "vestige.toml", "--out", tmp_path)
    assert said.code == 2 and "--force to replace it" in said.err
    assert names(tmp_path) == ["result.json"]


# --- the dry run
def test_a_check_says_what_would_be_compared_and_writes_nothing(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = names(leaking)
    cache = tmp_path / "cache"
    said = call(
        capsys, "check", *release(leaking), "--gate", "--out", tmp_path / "o", "--cache", cache
    )
    assert (said.code, said.err) == (0, "")
    assert "A release audit of grey images by " in said.out
    assert "used: 40 files or images; 40 patients; png of 64 x 64; grey values " in said.out
    assert said.out.endswith("Nothing would refuse this audit before its images are read.\n")
    assert (names(tmp_path), names(leaking)) == ([], before)
    told = json.loads(call(capsys, "check", *release(leaking), "--json").out)
    assert told["passed"] is True and told["roles"]["unused"]["patients"] == 40


def test_a_check_names_every_fault_in_a_line_of_its_own(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    said = call(
        capsys, "check", "--generated", tmp_path / "none", "--used", tmp_path / "neither",
        "--unused", leaking / "unused", "--out", leaking / "unused" / "o",
    )  # fmt: skip
    assert said.code == 2
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert "none" in lines[0] and "neither" in lines[1] and "--out" in lines[2]


def test_a_check_refuses_what_the_audit_refuses(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "groups.csv"
    rows = (leaking / "groups.csv").read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(rows[:-1]) + "\n", encoding="utf-8")
    folders = release(leaking)[:6]
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--false-alarm-rate", 0.001), "needs 999 unused"),
        (("--groups", table), "has no group for 1 of 80 images"),
        (("--detector", "siamese"), "needs the weights of its network"),
        (("--engine", "cloud"), "unknown engine"),
        (("--groups", leaking / "groups.csv", "--group-regex", "p"), "groups were given twice"),
    ]
    for more, reason in cases:
        checked = call(capsys, "check", *folders, *more)
        audited = call(capsys, "audit", *folders, *more, "--quiet", "--out", tmp_path / "o")
        assert checked.code == audited.code == 2, reason
        assert reason in checked.err
        assert reason in audited.err
        assert not (tmp_path / "o").exists()


def test_a_file_that_cannot_be_read_is_a_warning(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "used"
    shutil.copytree(leaking / "used", folder)
    first = sorted(folder.iterdir())[0]
    first.write_bytes(first.read_bytes()[:60])
    said = call(capsys, "check", "--generated", leaking / "generated", "--used", folder)
    assert said.code == 0
    assert said.err.startswith(f"vestige: warning: used/{first.name}: ")


def test_a_check_reads_the_file_of_the_question(planned: Path, capsys: Any) -> None:
    said = call(capsys, "check", "--config", planned / "vestige.toml")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("vestige.toml: SHA-256 ")
