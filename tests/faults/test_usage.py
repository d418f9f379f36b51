"""Whatever is wrong with a call: exit 2, one line that says what to do, nothing written."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vestige
from story.world import Called, call, names, release, worlds, write


def refused(said: Called, *parts: str) -> None:
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("vestige: ")
    assert said.err.count("\n") == 1 and said.err.endswith("\n")
    for part in parts:
        assert part in said.err


def swap(arguments: list[object], option: str, value: object) -> list[object]:
    """The arguments with another value for one option, or without the option (None)."""
    k = arguments.index(option)
    return [*arguments[:k], *([] if value is None else [option, value]), *arguments[k + 2 :]]


# --- folders that cannot be audited: name -> (make, what the line must say)
def missing(place: Path) -> Path:
    return place / "nowhere"


def empty(place: Path) -> Path:
    (place / "empty").mkdir()
    return place / "empty"


def only_documents(place: Path) -> Path:
    folder = empty(place)
    (folder / "README.md").write_text("hello")
    return folder


def only_text(place: Path) -> Path:
    folder = empty(place)
    for k in range(3):
        (folder / f"{k}.png").write_text(f"no picture {k}")
    return folder


def one_image(place: Path) -> Path:
    return write(place / "one", worlds()[0].generated[:1])


FOLDERS: list[tuple[str, Callable[[Path], Path], tuple[str, ...]]] = [
    ("--used", missing, ("no such folder", "nowhere")),
    ("--generated", missing, ("no such folder", "nowhere")),
    ("--unused", empty, ("no image in folder", "empty")),
    ("--used", only_documents, ("no image in folder",)),
    ("--used", only_text, ("no readable image among the 3 files of used", "used/0.png")),
    ("--generated", one_image, ("1 generated image", "2 or more")),
]


@pytest.mark.parametrize(("option", "make", "parts"), FOLDERS)
def test_folders_without_images(
    leaking: Path,
    tmp_path: Path,
    capsys: Any,
    option: str,
    make: Callable[[Path], Path],
    parts: tuple[str, ...],
) -> None:
    out = tmp_path / "new" / "out"
    # without groups.csv: its ids are not what this is about
    asked = swap(release(leaking)[:-2], option, make(tmp_path))
    refused(call(capsys, "audit", *asked, "--out", out), *parts)
    assert not out.parent.exists()


def test_one_real_image_is_no_audit(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    asked = ["--generated", leaking / "generated", "--query", one_image(tmp_path)]
    refused(call(capsys, "audit", *asked, "--out", tmp_path / "o"), "1 real image(s)", "two groups")
    assert not (tmp_path / "o").exists()


# --- options: what is added to a good call -> what the line must say
OPTIONS: dict[str, tuple[list[object], tuple[str, ...]]] = {
    "rate 0": (["--false-alarm-rate", 0], ("false-alarm rate 0", "between 0 and 1")),
    "rate 1": (["--false-alarm-rate", 1], ("false-alarm rate 1", "between 0 and 1")),
    "rate -1": (["--false-alarm-rate", -1], ("false-alarm rate -1",)),
    "rate nan": (["--false-alarm-rate", "nan"], ("false-alarm rate nan",)),
    "rate inf": (["--false-alarm-rate", "inf"], ("false-alarm rate inf",)),
    "rate text": (["--false-alarm-rate", "few"], ("--false-alarm-rate",)),
    # 40 unused can show 1/41; 1/0.02 - 1 = 49 would do
    "rate too low": (["--false-alarm-rate", 0.02], ("0.02", "40", "49")),
    "detector": (["--detector", "nearest_distanse"], ("Did you mean 'nearest_distance'?",)),
    "detector twice": (["--detector", "mc_ball", "--detector", "mc_ball"], ("twice",)),
    "effort": (["--effort", "hard"], ("unknown effort 'hard'", "low, normal, high")),
    "effort of nothing": (["--effort", "low", "--detector", "mc_ball"], ("name auto as well",)),
    "auto twice": (["--detector", "auto", "--detector", "auto"], ("twice",)),
    "option": (["--detectors", "x"], ("--detectors",)),
    "argument": (["surplus"], ("surplus",)),
    "seed": (["--seed", "x"], ("--seed",)),
    "negative seed": (["--seed", -1], ("seed",)),
    "window text": (["--window", "lung"], ("--window takes CENTRE,WIDTH", "'lung'")),
    "window three": (["--window", "1,2,3"], ("--window takes CENTRE,WIDTH",)),
    "window width": (["--window", "40,0"], ("width",)),
    "window nan": (["--window", "nan,400"], ("window",)),
    "engine": (["--engine", "foo"], ("unknown engine 'foo'", "dask, local")),
    "engine local:0": (["--engine", "local:0"], ("local:N", "'0'")),
    "engine local:x": (["--engine", "local:x"], ("local:N", "'x'")),
    "regex": (["--group-regex", "(["], ("'(['", "not valid")),
}


@pytest.mark.parametrize("name", list(OPTIONS))
def test_options(leaking: Path, tmp_path: Path, capsys: Any, name: str) -> None:
    more, parts = OPTIONS[name]
    asked = release(leaking)
    if "--group-regex" in more:
        asked = asked[:-2]
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("keep")
    for out in (tmp_path / "a" / "b", tmp_path / "there"):
        refused(call(capsys, "audit", *asked, *more, "--out", out), *parts)
    assert names(tmp_path) == ["there", "there/mine.txt"]


def test_a_regex_that_fits_no_id(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [*release(leaking)[:-2], "--group-regex", r"subject(\d+)"]
    said = call(capsys, "audit", *asked, "--out", tmp_path / "o")
    refused(said, "finds no group in used/patient0000.png")
    assert not (tmp_path / "o").exists()


GROUPS = {
    "missing ids": ("id,group\nused/patient0000.png,a\n", "no group for 79 of 80"),
    "no header": ("used/patient0000.png,a\n", "one column must be named"),
    "empty": ("", "starts with nothing"),
    "one column": ("id\nused/patient0000.png\n", "one column must be named"),
    "no group": ("id,group\nused/patient0000.png,\n", "row 2 lacks an id or a group"),
    "two groups": ("id,group\nused/a.png,1\nused/a.png,2\n", "keep one row"),
}


@pytest.mark.parametrize("name", list(GROUPS))
def test_bad_group_tables(leaking: Path, tmp_path: Path, capsys: Any, name: str) -> None:
    text, part = GROUPS[name]
    table = tmp_path / "groups.csv"
    table.write_text(text)
    asked = swap(release(leaking), "--groups", table)
    refused(call(capsys, "audit", *asked, "--out", tmp_path / "o"), part)
    table.unlink()
    refused(call(capsys, "audit", *asked, "--out", tmp_path / "o"), "groups.csv")
    assert not (tmp_path / "o").exists()


def test_groups_given_twice(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [*release(leaking), "--group-regex", "(.*)", "--out", tmp_path / "o"]
    refused(call(capsys, "audit", *asked), "given twice")


# --- roles
def test_a_missing_role(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    out = ["--out", tmp_path / "o"]
    asked = release(leaking)
    refused(call(capsys, "audit", *swap(asked, "--generated", None), *out), "--generated DIR")
    nothing = swap(swap(asked, "--used", None), "--groups", None)
    refused(call(capsys, "audit", *nothing, *out), "nothing to judge", "--query", "--used")
    refused(call(capsys, "audit", *asked), "--out")
    assert names(tmp_path) == []


@pytest.mark.parametrize("twin", ["used", "reference"])
def test_one_image_in_two_roles(leaking: Path, tmp_path: Path, capsys: Any, twin: str) -> None:
    world = worlds()[0]
    unused = write(tmp_path / "unused", [world.used[7], *world.unused])
    asked = swap(release(leaking)[:-2], "--unused", unused)
    if twin == "reference":  # of other strangers, and one unused
        asked = swap(asked, "--unused", leaking / "unused")
        asked += ["--reference", write(tmp_path / "reference", world.unused[5:6])]
    said = call(capsys, "audit", *asked, "--out", tmp_path / "o")
    refused(said, f"{twin} and unused share 1 image(s)", "remove it")
    assert not (tmp_path / "o").exists()


def test_used_patients_only_among_the_unused(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    table = tmp_path / "groups.csv"
    reals = [p for role in ("used", "unused") for p in sorted((leaking / role).iterdir())]
    rows = [f"{p.parent.name}/{p.name},{k % 40}\n" for k, p in enumerate(reals)]
    table.write_text("id,group\n" + "".join(rows))
    asked = swap(release(leaking), "--groups", table)
    refused(call(capsys, "audit", *asked, "--out", tmp_path / "o"), "every unused image shares")


def test_imageclef_folder_that_is_none(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    for folder, part in ((tmp_path / "none", "no such folder"), (tmp_path, "no ImageCLEF folder")):
        said = call(capsys, "audit", "--imageclef", folder, "--out", tmp_path / "o")
        refused(said, part)
    assert names(tmp_path) == []


# --- where to write
def test_output_that_cannot_be_written(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "below", file / "far" / "below"):
        refused(call(capsys, "audit", *release(leaking), "--out", out), "cannot write", str(out))
        refused(call(capsys, "demo", "--out", out), "cannot write", str(out))
    assert file.read_text() == "mine"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("command", ["export", "report"])
def test_output_files_that_cannot_be_written(
    leaking: Path, tmp_path: Path, capsys: Any, command: str
) -> None:
    asked = ["--generated", leaking / "generated", "--query", leaking / "used"]
    assert call(capsys, "audit", *asked, "--quiet", "--out", tmp_path / "o").code == 0
    more = ["--format", "imageclef2025", "--top-half"] if command == "export" else []
    result = tmp_path / "o" / "result.json"
    (tmp_path / "folder.html").mkdir()
    for out in (tmp_path / "folder.html", tmp_path / "missing" / "x.html", result / "x.html"):
        refused(call(capsys, command, result, *more, "--out", out), "cannot write", str(out))
    assert names(tmp_path / "folder.html") == []
    assert not (tmp_path / "missing").exists()


# --- results, runs and truths that are none
@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"schema": 99}', '{"schema": 1}'])
def test_broken_results(tmp_path: Path, capsys: Any, text: str) -> None:
    broken = tmp_path / "result.json"
    broken.write_text(text)
    out = tmp_path / "written"
    for result in (broken, tmp_path / "nowhere.json", tmp_path):
        refused(call(capsys, "report", result, "--out", out))
        refused(call(capsys, "export", result, "--format", "imageclef2025", "--out", out))
    assert names(tmp_path) == ["result.json"]


def test_exports_that_are_refused(leaking: Path, tmp_path: Path, capsys: Any) -> None:
    out, run = tmp_path / "o", tmp_path / "run.csv"
    asked = ["--generated", leaking / "generated", "--query", leaking / "unused"]
    assert call(capsys, "audit", *asked, "--quiet", "--out", out).code == 0
    export = ["export", out / "result.json", "--out", run, "--format"]
    refused(call(capsys, *export, "imageclef2024"), "unknown format", "Did you mean")
    refused(call(capsys, *export, "imageclef2025"), "40 of 40", "--top-half")
    refused(call(capsys, *export, "imageclef2023", "--top-half", "--header"), "takes no header")
    assert call(capsys, "audit", *release(leaking), "--quiet", "--force", "--out", out).code == 0
    refused(call(capsys, *export, "imageclef2025"), "holds no query images", "--query")
    assert not run.exists()


def test_scores_that_are_refused(tmp_path: Path, capsys: Any) -> None:
    run, truth = tmp_path / "run.csv", tmp_path / "truth.csv"
    truth.write_text("1.png,1\n2.png,0\n3.png,0\n")
    run.write_text("1.png,1\n2.png,0\n")
    refused(call(capsys, "score", run, truth), "1 ids are missing from the run: 3")
    run.write_text("1.png,1\n2.png,yes\n3.png,0\n")
    refused(call(capsys, "score", run, truth), "row 2", "id,number")
    refused(call(capsys, "score", tmp_path / "none.csv", truth), "cannot read")
    refused(call(capsys, "score", truth, truth, "--runs", 0), "run")


# --- commands
def test_no_command_shows_the_help(capsys: Any) -> None:
    said = call(capsys)
    assert (said.code, said.err) == (2, "")
    assert "audit" in said.out and "export" in said.out


@pytest.mark.parametrize("words", [["adit"], ["list", "nothing"], ["list", "--json"], ["--nope"]])
def test_unknown_commands(capsys: Any, words: list[str]) -> None:
    refused(call(capsys, *words))


def test_a_real_process_prints_one_line_and_no_traceback(leaking: Path, tmp_path: Path) -> None:
    asked = [*swap(release(leaking), "--used", tmp_path / "none"), "--out", tmp_path / "o"]
    for words in (["audit", *map(str, asked)], ["audit", "--nope"]):
        done = subprocess.run(
            [sys.executable, "-m", "vestige", *words], capture_output=True, text=True, check=False
        )
        refused(Called(done.returncode, done.stdout, done.stderr))
    script = shutil.which("vestige", path=str(Path(sys.executable).parent))
    if script is not None:
        done = subprocess.run([script, "list", "engines"], capture_output=True, check=False)
        assert done.returncode == 0
    assert names(tmp_path) == []


IMPORTED_AS = {
    "pytorch_ignite": "ignite",
    "faiss_cpu": "faiss",
    "scikit_learn": "sklearn",
    "scikit_image": "skimage",
    "pillow": "PIL",
    "PyWavelets": "pywt",
}


def declared(lines: list[str]) -> set[str]:
    """Import names of requirements; markupsafe is what jinja2 is built on."""
    plain = {re.split(r"[^A-Za-z0-9_-]", line)[0].replace("-", "_") for line in lines}
    found = {IMPORTED_AS.get(name, name) for name in plain}
    return found | ({"markupsafe"} if "jinja2" in found else set())


# built on torch throughout, and only imported when one of them is asked for
DEEP = (
    "nets/",
    "products/on_device.py",
    "features/backbones.py",
    "worlds/vae.py",
    "worlds/gan.py",
    "worlds/diffusion.py",
    "worlds/deep.py",
    "worlds/tensors.py",
    "integrations/",
)


def test_torch_is_not_loaded_before_it_is_asked_for() -> None:
    modules = (
        "vestige.cli.main, vestige.worlds.build, vestige.benchmark.run, vestige.scoring.columns"
    )
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_declared_packages_are_imported() -> None:
    # `import click` once worked here only because other packages had brought it
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    core = declared(project["dependencies"]) | set(sys.stdlib_module_names) | {"vestige"}
    extra = declared([line for part in project["optional-dependencies"].values() for line in part])
    home = Path(vestige.__file__).parent
    for file in home.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        deep = file.relative_to(home).as_posix().startswith(DEEP)
        for node in ast.walk(tree):
            found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            allowed = core if node in tree.body and not deep else core | extra
            assert {name.split(".")[0] for name in found} <= allowed, (file, found)


def test_no_extra_but_gpl_brings_a_gpl_package() -> None:
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    with_it = {name for name, needs in extras.items() if any("-libjpeg" in n for n in needs)}
    assert with_it == {"gpl"}
    assert not any("gpl" in need for name in ("all", "medical", "test") for need in extras[name])
