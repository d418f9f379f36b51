"""Texts, settings and options of strangers decide nothing and reveal nothing."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
from story.world import call, release
from vestige.auditing.options import MadeWith
from vestige.cli.terminal import say, shown, warn
from vestige.files.spreadsheet import cell, plain
from vestige.images.foreign_words import own_warning, own_words
from vestige.registry.entries import InputError
from vestige.release.repeat import check_result
from vestige.report import render_html
from vestige.result import AuditResult
from vestige.schema.records import Problem

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(leaking: Path) -> AuditResult:
    """A result with checks."""
    return vestige.audit(
        leaking / "generated", used=leaking / "used", unused=leaking / "unused",
        groups=leaking / "groups.csv", detectors=["nearest_distance"],
    )  # fmt: skip


@pytest.fixture
def saved(made: AuditResult, tmp_path: Path) -> Path:
    file = tmp_path / "result.json"
    file.write_text(made.to_json(), encoding="utf-8")
    return file


def refused(said: Any, *parts: str) -> None:
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("vestige: ") and said.err.count("\n") == 1
    assert [part for part in parts if part not in said.err] == []


# --- a result.json of somebody else
PLACES: list[tuple[str, str, Any]] = [
    ("cosine_threshold", "weights", "imagenet"),
    ("cosine_threshold", "weights", "/home/them/evil.pt"),
    ("cosine_threshold", "weights", "evil.safetensors"),
    ("cosine_threshold", "cache", "/home/me/.ssh"),
    ("cosine_threshold", "cache", "here"),
    ("siamese", "weights", ["imagenet"]),
    ("nearest_distance", "space", "s3://bucket/x"),
    ("nearest_distance", "space", "../x"),
]


@pytest.mark.parametrize(("detector", "option", "value"), PLACES)
def test_a_foreign_result_names_no_file_folder_or_download(
    made: AuditResult, detector: str, option: str, value: Any
) -> None:
    from vestige.detectors import DETECTORS

    name = detector if detector in DETECTORS else next(n for n, e in DETECTORS.items() if e.weights)
    options = made.manifest.options | {"detector_options": {name: {option: value}}}
    foreign = replace(made, manifest=replace(made.manifest, options=options))
    with pytest.raises(InputError, match=rf"{name}\.{option}.* not taken from a result") as caught:
        check_result(foreign)
    assert "\n" not in str(caught.value) and "--option" in caught.value.for_command


def test_scrub_writes_nowhere_and_connects_to_nobody_that_a_result_names(
    made: AuditResult, leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    trap, file = tmp_path / "trap", tmp_path / "result.json"
    raw = json.loads(made.to_json())
    raw["manifest"]["options"]["detector_options"] = {
        "nearest_distance": {"cache": str(trap), "weights": "imagenet"}
    }
    raw["manifest"]["options"]["engine"] = "dask:tcp://10.0.0.1:1"
    file.write_text(json.dumps(raw))
    said = call(capsys, "scrub", file, *release(leaking), "--out", tmp_path / "keep.txt")
    refused(said, "nearest_distance.cache", "not taken from a result")
    assert not trap.exists() and not (tmp_path / "keep.txt").exists()


def test_harmless_options_are_taken_and_places_are_given_anew(made: AuditResult) -> None:
    def with_options(own: dict[str, Any]) -> AuditResult:
        options = made.manifest.options | {"detector_options": own}
        return replace(made, manifest=replace(made.manifest, options=options))

    found: MadeWith = check_result(with_options({"nearest_distance": {"size": 16}}))
    assert found.detector_options == {"nearest_distance": {"size": 16}}
    with pytest.raises(InputError, match=r"made without nearest_distance\.index"):
        check_result(made, {"nearest_distance": {"index": "exact"}})
    placed = with_options({"nearest_distance": {"space": "a/b"}})
    found = check_result(placed, {"nearest_distance": {"space": "pixels"}})
    assert found.detector_options == {"nearest_distance": {"space": "pixels"}}


@pytest.mark.parametrize("size", [0, -1, 10**6, 2**40])
def test_a_hostile_working_size(made: AuditResult, size: int) -> None:
    options = made.manifest.options | {"working_size": size}
    with pytest.raises(InputError, match="pixels a side"):
        check_result(replace(made, manifest=replace(made.manifest, options=options)))


def test_the_manifest_names_no_folder(made: AuditResult) -> None:
    from vestige.auditing.options import AuditOptions, told_options

    own = {"weights": "/home/mueller/w.pt", "cache": "/home/mueller/c", "k": 3}
    told = told_options(
        AuditOptions(detectors=["siamese"], options={"siamese": own}), (), "x", 64, None
    )
    assert told["detector_options"] == {"siamese": {"weights": "w.pt", "k": 3}}


@pytest.mark.parametrize("old", ['"seed": 0', '"schema": 2'])
def test_a_key_that_stands_twice(saved: Path, old: str) -> None:
    text = saved.read_text()
    assert old in text
    with pytest.raises(InputError, match="twice in one record"):
        AuditResult.from_json(text.replace(old, f"{old}, {old}", 1))


def test_a_negative_seed_of_a_result(saved: Path) -> None:
    raw = json.loads(saved.read_text())
    raw["manifest"]["seed"] = -1
    with pytest.raises(InputError, match="a seed is 0 or more"):
        AuditResult.from_json(json.dumps(raw))


@pytest.mark.skipif(sys.platform == "win32", reason="no such files")
@pytest.mark.parametrize("kind", ["zero", "pipe", "sparse", "folder", "loop"])
def test_what_is_no_result_is_refused_before_it_is_read(
    tmp_path: Path, capsys: Any, kind: str
) -> None:
    place = tmp_path / "result.json"
    if kind == "zero":
        place.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "sparse":
        place.touch()
        os.truncate(place, 2**42)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(place)
    for command in (["report"], ["export", "--format", "imageclef2025", "--top-half"]):
        asked = [command[0], place, *command[1:], "--out", tmp_path / "x.html"]
        refused(call(capsys, *asked), "cannot read")


@pytest.mark.parametrize(
    "text", ["a" * 160_000, "a/" * 80_000, "a " * 80_000, "a." * 80_000, ": 1 " * 40_000, "'" * 9]
)
def test_redacting_takes_no_longer_than_reading(made: AuditResult, text: str) -> None:
    named = replace(
        made,
        problems=(Problem(text, text, "warning"), Problem(text + "b", "x " + text, "error")),
        findings=tuple(replace(f, group=f"{text}{k}") for k, f in enumerate(made.findings[:3])),
    )
    start = time.process_time()
    page = render_html(named, redact=True)
    assert time.process_time() - start < 10
    assert text[:2000] not in page or len(text) < 10


# --- the terminal
ESCAPES = "\x1b[2J\x07\u202e\udcff\x9b1m\r"


def test_one_sanitiser_for_all_that_is_printed(capsys: Any) -> None:
    say(f"a {ESCAPES}\nb")
    warn(f"a {ESCAPES}\nb")
    shown_text = capsys.readouterr()
    assert shown_text.out.count("\n") == 2 and shown_text.err.count("\n") == 1
    for text in (shown_text.out, shown_text.err):
        assert text.replace("\n", "").isprintable()
    assert shown("ä ü\n") == "ä ü\n"


def test_train_prints_no_codes_of_names(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vestige.training.train as training
    from vestige.training.train import Trained

    problem = Problem(f"used/{ESCAPES}", f"is bad{ESCAPES}", "error")
    counts = {"used": 1, "unused": 1, "generated": 1}
    found = Trained(None, {"counts": counts, "groups": 1}, {}, (problem,))  # type: ignore[arg-type]
    monkeypatch.setattr(training, "run_training", lambda *_: found)
    said = call(
        capsys, "train", "siamese", *release(leaking), "--out", tmp_path / "\x1b[1m.safetensors"
    )
    assert said.code == 0
    assert (said.out + said.err).replace("\n", "").isprintable()


def run(code: str, *arguments: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | more.pop("env", {})
    asked = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(asked, env=environment, capture_output=True, timeout=120, **more)


MAIN = "import sys; from vestige.cli.main import main; main(sys.argv[1:])"


def test_a_terminal_that_knows_ascii_only(saved: Path, tmp_path: Path) -> None:
    strict = {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    code = "from vestige.cli.terminal import say, warn; say('gespeichert: \\xfc'); warn('\\xfc')"
    done = run(code, env=strict)
    assert (done.returncode, done.stdout) == (0, b"gespeichert: \\xfc\n"), done.stderr
    assert done.stderr == b"vestige: \\xfc\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such shell")
def test_closed_streams(saved: Path, tmp_path: Path) -> None:
    asked = f"'{sys.executable}' -c \"{MAIN}\" report '{saved}' --out '{tmp_path}/x.html' 2>&- >&-"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["sh", "-c", asked], env=environment, timeout=120)
    assert done.returncode == 0
    code = (
        "import sys; sys.stderr = None; from vestige.cli.terminal import warn, progress_bars\n"
        "warn('x')\nwith progress_bars(False) as told: told('a', 0, 1)"
    )
    assert run(code).returncode == 0


# --- settings
@pytest.mark.parametrize(
    "text", [b"text.usetex: True\n", b"\xff\xfe\x00", b"figure.dpi: 3\n", None]
)
def test_settings_of_the_current_folder_are_ignored(
    saved: Path, tmp_path: Path, text: bytes | None
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    if text is None:
        os.mkfifo(here / "matplotlibrc")  # would be waited for
    else:
        (here / "matplotlibrc").write_bytes(text)
    done = run(MAIN, "report", saved, "--out", "../page.html", cwd=here)
    assert (done.returncode, done.stderr) == (0, b"")
    plain_page = render_html(AuditResult.load(saved))
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == plain_page


# --- cells
@pytest.mark.parametrize(
    "text",
    ["a;=cmd", "=1+1", " =1+1", "a; +x", "a;\t@x", ";-1", "a;'x", "'", "a;b", "a;＝x", "a b"],
)
def test_no_part_of_a_cell_is_a_formula(text: str) -> None:
    made_cell = cell(text)
    assert plain(made_cell) == text
    for part in made_cell.split(";"):
        assert not part.strip().startswith(("=", "+", "-", "@", "＝")), made_cell
    out = io.StringIO()
    csv.writer(out).writerow([made_cell])
    assert next(csv.reader(io.StringIO(out.getvalue()))) == [made_cell]


# --- what decoders say
@pytest.mark.parametrize("text", [
    "Invalid value for VR UI: 'Mueller^Hans'. Please see the standard.",
    "could not convert string to float: 'Mueller'",
    'could not convert string to float: "Mueller\'s"',
    "bad value b'Mueller' in tag",
    "no such study 1.2.840.113619.2.55.3",
    "value 'O'Mueller' of two 'Mueller'",
])  # fmt: skip
def test_decoders_quote_no_value(text: str) -> None:
    for told in (own_words(text), own_warning(text)):
        assert not re.search("Mueller|113619|Hans", told)


def test_names_in_identifiers_of_a_series_reach_nobody(tmp_path: Path, capfd: Any) -> None:
    pydicom = pytest.importorskip("pydicom", reason="needs vestige[medical]")
    import hostile

    name = "MUELLER^HANS"
    rng = np.random.default_rng(0)
    for role, count in (("generated", 12), ("used", 25), ("unused", 25)):
        (tmp_path / role).mkdir()
        for k in range(count):
            file = tmp_path / role / f"{k}.dcm"
            levels = rng.integers(0, 255, (16, 16)).astype(np.uint8)
            file.write_bytes(hostile.dicom(levels))
            dataset = pydicom.dcmread(file)
            dataset.PatientID = f"{role}{k}"
            for tag in ("SeriesInstanceUID", "StudyInstanceUID"):
                with pytest.warns(UserWarning, match="Invalid value"):
                    setattr(dataset, tag, f"1.2.{k} {name}")
            dataset.save_as(file)
    asked = [part for r in ("generated", "used", "unused") for part in (f"--{r}", tmp_path / r)]
    asked += ["--detector", "nearest_distance", "--no-checks", "--cache", tmp_path / "cache"]
    asked += ["--out", tmp_path / "out"]
    done = run(MAIN, "audit", *asked)  # warnings show on a terminal that no test watches
    assert (done.returncode, done.stderr) == (0, b"")
    assert name.encode() not in done.stdout
    said = call(capfd, "audit", *asked)
    assert said.code == 0 and name not in said.out + said.err
    for file in (*(tmp_path / "out").rglob("*"), *(tmp_path / "cache").rglob("*")):
        assert name not in file.name
        assert not file.is_file() or name.encode() not in file.read_bytes(), file


# --- models, worlds, packages
@pytest.mark.parametrize("learned", ["abc", [], {}, None, 3, ["abc"], [None], [["a"]]])
def test_a_model_that_says_nothing_of_its_images_is_refused(learned: Any) -> None:
    from vestige.training.models import _check_guard

    sound = {"learned_from": ["0" * 64], "generated_sha256": "1" * 64}
    _check_guard("m", sound)
    with pytest.raises(InputError, match="card of m is damaged"):
        _check_guard("m", sound | {"learned_from": learned})
    with pytest.raises(InputError, match="card of m is damaged"):
        _check_guard("m", sound | {"generated_sha256": learned})


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{}", "null", '{"detector": [], "detector": []}', '{"detector": 1}']
)
def test_hostile_cards_are_one_line(tmp_path: Path, text: str) -> None:
    from vestige.detectors.saving import read_card

    (tmp_path / "m.safetensors").write_bytes(b"x")
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(InputError, match="not the card of a model"):
        read_card(tmp_path / "m.safetensors")


@pytest.mark.parametrize("size", [0, -5, 10**9])
def test_a_hostile_size_of_a_world(tmp_path: Path, size: int) -> None:
    from vestige.worlds.record import Recipe, WorldRecord, load_world

    recipe = Recipe(generator="x", images="y", members=1, samples=1, size=size)
    record = WorldRecord(1, "w", recipe, "", "", {}, {}, {}, {}, {}, "")
    (tmp_path / "world.json").write_text(record.to_json())
    with pytest.raises(InputError, match="pixels a side"):
        load_world(tmp_path)


def test_a_world_names_no_folder() -> None:
    from vestige.worlds.record import Recipe

    recipe = Recipe(
        generator="x", images="/home/mueller/ct", members=1, samples=1,
        groups="/home/mueller/g.csv", options={"weights": "/home/mueller/w.pt", "epochs": 3},
    )  # fmt: skip
    told = recipe.told()
    assert "mueller" not in repr(told) and told.told() == told
    assert told.images.startswith("ct@") and told.options["epochs"] == 3


def test_versions_with_known_holes_are_not_admitted() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert "pydicom>=3.0.2" in extras["medical"]  # CVE-2026-32711
    assert "torch>=2.10" in extras["deep"]  # CVE-2025-32434, CVE-2026-24747
