"""Whatever is given: one line or one row, in plain words and never in those of a library."""

import json
import random
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile
from permissions import modes_count
from story.world import Called, call, names, release
from vestige.images.cage import caged
from vestige.images.frame import Unreadable
from vestige.images.readers import read_file
from vestige.images.reading import read_images
from vestige.registry.entries import InputError

OF_PYTHON = re.compile(
    r"\bobject\b(?! of)|NoneType|\w(?:Error|Exception|Warning)\b|Traceback|Errno|has no attribute"
    r"|expected str|unpack requires|not subscriptable|not iterable|\bargument '|keyword|<class|<ast"
    r"|invalid literal|could not convert|codec|reshape|ndarray|dtype|null byte|recursion|char \d"
    r"|found a (?:int|dict)|found None|Expecting|Input should|parse string|FileSystem"
    r"|line \d+ column|pickle\.|\bself\b|__"
    r"|pydicom|tifffile|nibabel|numpy\.(?!save)|PIL\b|\bstruct\b"
    r"|Plugin|plugins|sys\.|set_int|field limit|subpattern|convert_wrong"
)
"""What no user can mend. (`save ... with numpy.save` tells what to do.)"""
QUICK = ("--detector", "nearest_distance", "--no-checks", "--quiet")


def plain(text: str) -> None:
    found = OF_PYTHON.search(text)
    assert found is None, f"{found[0]!r} in: {text}"


def one_line(said: Called, *parts: str) -> None:
    """Exit code 2 and one plain line that holds these parts."""
    assert (said.code, said.out) == (2, ""), said
    assert said.err.startswith("vestige: ") and said.err.count("\n") == 1
    assert [part for part in parts if part not in said.err] == [], said.err
    assert len(said.err) < 2000
    plain(re.sub(r"\S*(?:pytest|bt-)\S*/", "", said.err))


def swap(asked: list[object], option: str, value: object) -> list[object]:
    """Other images or groups; the groups of the world fit its own images only."""
    asked = asked if option == "--groups" else asked[:-2]
    k = asked.index(option)
    return [*asked[:k], option, value, *asked[k + 2 :]]


# --- images: every kind, damaged in many ways
def damaged(content: bytes, seed: int) -> bytes:
    chance, whole = random.Random(seed), bytearray(content)  # noqa: S311
    if seed % 4 == 0:
        return bytes(whole[: chance.randrange(1, len(whole))])
    if seed % 4 == 1:
        place = chance.randrange(len(whole))
        whole[place:place] = chance.randbytes(chance.randint(1, 9))
        return bytes(whole)
    reach = len(whole) if seed % 4 == 2 else min(len(whole), 1024)
    for _ in range(chance.randint(1, 6)):
        whole[chance.randrange(reach)] = chance.choice((0, 1, 127, 255, ord("x")))
    return bytes(whole)


GOOD = dict(hostile.good())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_image_is_told_in_plain_words(tmp_path: Path, name: str) -> None:
    if name.endswith((".dcm", ".nii", ".nii.gz")):
        pytest.importorskip("pydicom", reason="needs vestige[medical]")
        pytest.importorskip("nibabel", reason="needs vestige[medical]")
    file = tmp_path / name
    for seed in range(24):
        file.write_bytes(damaged(GOOD[name], seed))
        try:
            told = [flag for frame in caged(read_file, file, None) for flag in frame.flags]
        except Unreadable as error:
            told = [str(error)]
            assert len(told[0]) <= 200 and str(tmp_path) not in told[0]
        for text in told:
            plain(text)


def test_a_tag_of_a_file_is_not_quoted(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="needs vestige[medical]")
    for tag in (b"MUELLER^HANS", b"PALETTE MUEL"):
        file = tmp_path / "a.dcm"
        file.write_bytes(hostile.dicom(hostile.picture()).replace(b"MONOCHROME2 ", tag))
        with pytest.raises(Unreadable) as caught:
            read_file(file)
        assert "MUEL" not in str(caught.value)


# --- the command line: what is given for an option
def file(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "given" / name
        place.parent.mkdir()
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    return make


def folder(*files: str) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        (place / "given").mkdir()
        for name in files:
            (place / "given" / name).write_text("no picture")
        return place / "given"

    return make


def nowhere(place: Path) -> Path:
    return place / "nowhere"


IN_THREE_SCRIPTS = ("ñ" * 125 + "o.png", "界" * 83 + "xy.png", "ж" * 125 + "o.png")
LATIN = "id,group\nmüller,1\n".encode("latin-1")
NPY = hostile.npy(np.zeros((2, 3, 4, 5, 6), np.uint8))
IMAGES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (nowhere, "no such folder"),
    "empty folder": (folder(), "no image in folder"),
    "names of 255 bytes": (folder(*IN_THREE_SCRIPTS), "no readable image"),
    "text file": (file("a.txt", "hello"), "not an image"),
    "numpy cut": (file("a.npy", b"\x93NUMPY\x01\0"), "truncated"),
    "numpy 5 axes": (file("a.npy", NPY), "has shape"),
    "numpy words": (file("a.npy", hostile.npy(np.array(["a", "b"]))), "holds"),
    "numpy objects": (
        file("a.npy", hostile.npy(np.array([None], object), allow_pickle=True)), "pickled",
    ),
    "zip cut": (file("a.npz", b"PK\3\4"), "truncated"),
    "zip of nothing": (file("a.zip", hostile.zipped()), "archive"),
    "list in UTF-16": (file("a.csv", "path\na.png\n".encode("utf-16")), "none of its 1 files"),
    "list in Latin": (file("a.csv", LATIN), "UTF-8"),
    "list with a zero byte": (file("a.csv", b"a\0b.png\n"), "zero byte"),
    "list of one long cell": (file("a.csv", "x" * 200_000), "too long"),
    "list of bytes": (file("a.csv", bytes(range(256))), "UTF-8"),
    "empty list": (file("a.csv", ""), "lists no file"),
}  # fmt: skip


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_are_none(leaking: Path, tmp_path: Path, capsys: Any, case: str) -> None:
    make, part = IMAGES[case]
    asked = swap(release(leaking), "--used", make(tmp_path))
    one_line(call(capsys, "audit", *asked, *QUICK, "--out", tmp_path / "out"), part)
    assert not (tmp_path / "out").exists()


ADDRESSES = {
    "s3://bucket/x": "cannot list",
    "nonsense://bucket/x": "fsspec knows no such address",
    "zip://::/dev/null": "cannot list",
    "http://127.0.0.1:1/x": "cannot list",
    "a.npz::images": "no such file",
    "a\0b": "zero byte",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses(leaking: Path, tmp_path: Path, capsys: Any, address: str) -> None:
    pytest.importorskip("fsspec", reason="needs vestige[cluster]")
    asked = swap(release(leaking), "--used", address)
    one_line(call(capsys, "audit", *asked, *QUICK, "--out", tmp_path / "out"), ADDRESSES[address])


GROUPS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (nowhere, "cannot read"),
    "folder": (folder(), "not a regular file"),
    "in UTF-16": (file("g.csv", "id,group\na,1\n".encode("utf-16")), "no group for"),
    "in Latin": (file("g.csv", LATIN), "UTF-8"),
    "one long cell": (file("g.csv", "id,group\n" + "x" * 200_000), "too long"),
    "zero byte": (file("g.csv", b"id,group\na\0,1\n"), "zero bytes"),
    "an image": (file("g.csv", hostile.by_pillow(hostile.picture(), "PNG")), "UTF-8"),
}


@pytest.mark.parametrize("case", GROUPS)
def test_groups_that_are_none(leaking: Path, tmp_path: Path, capsys: Any, case: str) -> None:
    make, part = GROUPS[case]
    asked = swap(release(leaking), "--groups", make(tmp_path))
    one_line(call(capsys, "audit", *asked, *QUICK, "--out", tmp_path / "out"), part)


OPTIONS: dict[str, tuple[list[object], str]] = {
    "no number": (["--seed", "x"], "--seed': it must be a whole number"),
    "no share": (["--false-alarm-rate", "few"], "it must be a number"),
    "large seed": (["--seed", 10**30], "seed"),
    "cache of words": (["--cache-limit", "x"], "it must be a number"),
    "zero byte": (["--cache", "a\0b"], "zero byte"),
    "window": (["--window", "1"], "--window"),
    "option": (["--option", "x"], "--option"),
    "option without a name": (["--option", "=.="], "--option"),
    "option of words": (["--option", "nearest_distance.k=[1"], "whole number"),
    "unknown option": (["--option", "nearest_distance.foo=1"], "Known: k"),
    "hostile size": (["--option", "nearest_distance.size=1000000000"], "pixels a side"),
    "folder for a space": (["--option", "nearest_distance.space=../x"], "unknown space"),
    "no model": (["--model", "/nowhere/m.safetensors"], "not found"),
    "engine": (["--engine", "dask:foo"], "tcp://host:port"),
    "too many processes": (["--engine", "local:99999999999"], "from 1 to 1024"),
    "views": (["--views", "x"], "Known: none"),
    "more": (["surplus"], "surplus"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_are_none(leaking: Path, tmp_path: Path, capsys: Any, case: str) -> None:
    more, part = OPTIONS[case]
    asked = [*release(leaking), *QUICK, *more, "--out", tmp_path / "out"]
    one_line(call(capsys, "audit", *asked), part)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("regex", ["([", "(", "x{99999999999}", "(?P<a>x)(?P<a>y)", "*"])
def test_expressions_that_are_none(leaking: Path, tmp_path: Path, capsys: Any, regex: str) -> None:
    asked = [*release(leaking)[:-2], *QUICK, "--group-regex", regex, "--out", tmp_path / "out"]
    one_line(call(capsys, "audit", *asked), repr(regex), "is not valid")


# --- files that vestige writes and reads again
TEXTS: dict[str, bytes] = {
    "empty": b"",
    "list": b"[]",
    "null": b"null",
    "bytes": bytes(range(256)),
    "twice": b'{"a": 1, "a": 2}',
    "deep": b"[" * 100_000,
    "digits": b"1" * 10_000,
    "NaN": b'{"schema": NaN}',
    "schema": b'{"schema": 2}',
    "UTF-16": "{}".encode("utf-16"),
    "cut": b'{"schema": 2, "findings": [',
}


@pytest.mark.parametrize("case", TEXTS)
def test_results_worlds_and_models_that_are_none(
    leaking: Path, tmp_path: Path, capsys: Any, case: str
) -> None:
    world = tmp_path / "world"
    world.mkdir()
    for name in ("result.json", "world.json", "m.json", "m.safetensors"):
        (world / name).write_bytes(TEXTS[case])
    result, out = world / "result.json", ("--out", tmp_path / "out")
    one_line(call(capsys, "report", result, *out))
    one_line(call(capsys, "export", result, "--format", "imageclef2025", *out))
    one_line(call(capsys, "scrub", result, *release(leaking), *out))
    one_line(call(capsys, "world", "check", world), "world.json")
    one_line(call(capsys, "benchmark", world, *out), "world.json")
    model = ("--model", world / "m.safetensors")
    one_line(call(capsys, "audit", *release(leaking), *QUICK, *model, *out), "m.json")
    one_line(call(capsys, "score", result, result), "result.json")
    assert not (tmp_path / "out").exists()


def test_any_place_of_a_result_that_holds_something_else(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    assert call(capsys, "audit", *release(leaking), *QUICK, "--out", tmp_path / "o").code == 0
    whole = json.loads((tmp_path / "o" / "result.json").read_text())
    broken = tmp_path / "broken.json"
    for place in ("manifest", "findings", "decision", "problems", "calibration", "question"):
        for value in (None, [], {}, "x", -1, 1.5, True, [None], {"a": 1}):
            if value == whole[place] or (place, value) == ("problems", []):
                continue
            broken.write_text(json.dumps(whole | {place: value}))
            one_line(call(capsys, "report", broken, "--out", tmp_path / "page"), "result")
    assert not (tmp_path / "page").exists()


WRONG: dict[str, list[str]] = {
    "unknown detector": ["train", "nope", "--out", "m.safetensors"],
    "no weights": ["train", "siamese", "--out", "m.safetensors"],
    "weights that are none": [
        *("train", "siamese", "--out", "m.safetensors"),
        *("--option", "weights=/dev/null"),
    ],
    "unknown generator": ["world", "build", "nope", "--members", "9", "--samples", "9"],
    "members": ["world", "build", "pca_gaussian", "--members", "x", "--samples", "9"],
    "no world": ["world", "check", "/nowhere"],
    "no benchmark": ["benchmark", "/nowhere", "--out", "b"],
    "no run": ["score", "/nowhere/a.csv", "/nowhere/b.csv"],
    "a folder as run": ["score", "/", "/"],
    "unknown kind": ["list", "nope"],
    "unknown command": ["adit"],
    "no result": ["report", "/nowhere/result.json", "--out", "x"],
    "a folder as result": ["report", "/", "--out", "x"],
    "a device as result": ["report", "/dev/null", "--out", "x"],
}


@pytest.mark.parametrize("case", WRONG)
def test_commands_that_cannot_be(
    leaking: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    asked: list[object] = list(WRONG[case])
    monkeypatch.chdir(tmp_path)
    if asked[0] == "train":
        pytest.importorskip("torch", reason="needs vestige[deep]")
        asked += release(leaking)
    if asked[:2] == ["world", "build"]:
        asked += ["--images", leaking / "used", "--out", "w"]
    one_line(call(capsys, *asked))
    assert names(tmp_path) == []


# --- rows of `problems`
@pytest.mark.skipif(sys.platform == "win32", reason="modes and names of Unix")
def test_rows_name_the_file_and_say_what_to_do(tmp_path: Path) -> None:
    place = tmp_path / "set"
    place.mkdir()
    picture = hostile.by_pillow(hostile.picture(), "PNG")
    for name in ("good.png", "closed.png", "界" * 83 + ".png"):
        (place / name).write_bytes(picture)
    (place / "cut.png").write_bytes(picture[:60])
    (place / "odd.bmp").write_bytes(b"BM" + bytes(60))
    (place / "words.tif").write_text("words")
    (place / ("ж" * 120 + ".npy")).write_bytes(NPY)
    (place / "folder.png").mkdir()
    (place / "closed.png").chmod(0)
    with modes_count():
        images = read_images(place, role="used", size=8)
    (place / "closed.png").chmod(0o600)
    rows = {problem.path: problem.what for problem in images.problems}
    assert len(images) == 2
    assert set(rows) >= {
        *(f"used/{name}" for name in ("closed.png", "cut.png", "odd.bmp", "words.tif")),
        "used/" + "ж" * 120 + ".npy",
    }
    for text in rows.values():
        plain(text)


def test_a_folder_that_may_not_be_entered_is_one_line(
    leaking: Path, tmp_path: Path, capsys: Any
) -> None:
    closed = Path(shutil.copytree(leaking / "used", tmp_path / "closed"))
    closed.chmod(0)
    with modes_count():
        asked = swap(release(leaking), "--used", closed)
        said = call(capsys, "audit", *asked, *QUICK, "--out", tmp_path / "out")
    closed.chmod(0o700)
    one_line(said, "Permission denied")


@pytest.mark.parametrize("source", [3, None, 1.5, b"x", [], {}, [3], ["nowhere.png"], "a\0b"])
def test_sources_that_python_gives(source: Any) -> None:
    with pytest.raises(InputError) as caught:
        read_images(source, role="used")
    plain(str(caught.value))
