"""The same bytes wherever images are decoded, in shards of any size, and wherever they lie."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vestige
import vestige.images.remote
from dask_cluster import SOURCE, DaskCluster, dask_cluster
from story.world import FILES, call, names, release
from vestige import InputError
from vestige.engine import processes
from vestige.engine.engines import open_executor
from vestige.images import reading
from vestige.images.fetching import read_fetched
from vestige.images.listing import list_files
from vestige.images.reading import read_images
from vestige.images.remote import find, local_copy, redacted
from vestige.images.shards import read_shard

QUICK = ("--detector", "nearest_distance", "--no-checks", "--quiet")
SECRET = "AKIA77:s3cr/qzx"  # noqa: S105  # nobody's


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    with dask_cluster(workers=2) as started:
        yield started


@pytest.fixture(scope="module")
def archive(leaking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All images of the world in one zip file, with what is no image."""
    path = tmp_path_factory.mktemp("archive") / "all.zip"
    with zipfile.ZipFile(path, "w") as file:
        for role in ("generated", "used", "unused"):
            for image in sorted((leaking / role).iterdir()):
                file.write(image, f"data/{role}/{image.name}")
            file.writestr(f"data/{role}/readme.txt", "no image")
            file.writestr(f"data/{role}/.hidden/x.png", "no image")
    return path


@pytest.fixture(scope="module")
def expected(leaking: Path) -> bytes:
    """findings.csv of an audit in this process."""
    asked = {role: leaking / role for role in ("generated", "used", "unused")}
    groups = leaking / "groups.csv"
    options: dict[str, Any] = {"detectors": ["nearest_distance"], "checks": False}
    return vestige.audit(**asked, groups=groups, engine="local:1", **options).to_csv().encode()


def audited(capsys: Any, asked: list[object], engine: str, out: Path) -> bytes:
    said = call(capsys, "audit", *asked, *QUICK, "--engine", engine, "--out", out)
    assert (said.code, said.err) == (0, "")
    assert names(out) == FILES
    return (out / "findings.csv").read_bytes()


def test_every_engine_and_shard_size_gives_the_same_bytes(
    leaking: Path,
    expected: bytes,
    cluster: DaskCluster,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.0)
    for engine, files in (("local:2", 7), (cluster.engine, 64), (cluster.engine, 5)):
        monkeypatch.setattr(reading, "SHARD_FILES", files)
        assert audited(capsys, release(leaking), engine, tmp_path / "out") == expected


SRUN = """#!/bin/bash
# two tasks, as srun would start them; ended together
trap 'kill $(jobs -p); wait; exit 143' TERM
while [[ $1 == --* ]]; do shift; done
"$@" &
"$@" &
wait
"""


@pytest.mark.slow
@pytest.mark.parametrize("slurm", [True, False])
def test_the_example_for_slurm(leaking: Path, expected: bytes, tmp_path: Path, slurm: bool) -> None:
    psutil = pytest.importorskip("psutil")
    programs = {
        "vestige": f'#!/bin/bash\nexec {sys.executable} -m vestige "$@"\n',
        "dask": f'#!/bin/bash\nexec {sys.executable} -m dask "$@"\n',
        "python": f'#!/bin/bash\nexec {sys.executable} "$@"\n',
        "hostname": "#!/bin/bash\necho 127.0.0.1\n",
        "srun": SRUN,
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "VESTIGE_RUN": str(tmp_path),
    }
    environment |= {"SLURM_JOB_ID": "1"} if slurm else {}
    script = Path(__file__).parents[2] / "examples" / "slurm_audit.sh"
    asked = [*release(leaking), *QUICK, "--out", tmp_path / "out"]
    done = subprocess.run(
        ["bash", script, *map(str, asked)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out" / "findings.csv").read_bytes() == expected
    assert not list(tmp_path.glob("vestige-run.*"))
    mine = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])]
    assert not mine


@pytest.mark.slow
def test_images_in_an_archive_are_judged_like_those_in_folders(
    leaking: Path,
    archive: Path,
    expected: bytes,
    cluster: DaskCluster,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = ["--groups", leaking / "groups.csv"]
    for role in ("generated", "used", "unused"):
        asked += [f"--{role}", f"zip://data/{role}::{archive}"]
    monkeypatch.setattr(processes, "START_SECONDS", 0.0)
    monkeypatch.setattr(reading, "SHARD_FILES", 16)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for engine in ("local:2", cluster.engine, cluster.engine):  # the last finds all in the cache
        kept = [*asked, "--cache", tmp_path / engine[:4]]
        assert audited(capsys, kept, engine, tmp_path / "out") == expected
    assert not list(tmp_path.glob("vestige-*"))


def test_an_address_of_a_file_is_its_path(leaking: Path) -> None:
    folder = leaking / "used"
    plain = read_images(folder, role="used")
    there = read_images(f"file://{folder}", role="used")
    assert there.records == plain.records
    assert there.root == plain.root
    assert list_files(f"file://{folder}/patient0000.png") == list_files(folder / "patient0000.png")


def test_images_in_the_memory_of_this_process(leaking: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for image in (leaking / "used").iterdir():
        memory.pipe(f"/reals/deep/{image.name}", image.read_bytes())
    memory.pipe("/reals/deep/patient10.png", (leaking / "used" / "patient0000.png").read_bytes())
    memory.pipe("/reals/broken.png", b"this is no picture")
    try:
        images = read_images("memory://reals", role="used", size=32)
        with open_executor("local:2") as executor:  # it sees the files itself, its workers do not
            again = read_images("memory://reals", role="used", size=32, executor=executor)
        assert images.records == again.records
        expected = read_images(leaking / "used", role="used", size=32)
        assert images.ids[0] == "deep/patient0000.png"
        assert (
            images.ids.index("deep/patient10.png") == images.ids.index("deep/patient0010.png") + 1
        )
        rows = [images.ids.index(f"deep/{name}") for name in expected.ids]
        np.testing.assert_array_equal(images.pixels[rows], expected.pixels)
        for k in (0, 3):
            np.testing.assert_array_equal(images.original(rows[k]), expected.original(k))
        assert images.root is None
        [problem] = images.problems
        assert (problem.path, problem.severity) == ("used/broken.png", "error")
        assert "vestige-" not in problem.what
    finally:
        memory.rm("/reals", recursive=True)


def test_a_shard_that_does_not_fit_on_the_disk_at_once(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = list_files(f"zip://data/used::{archive}")[:7]
    whole = read_fetched(files, read_shard, 32)
    monkeypatch.setattr("vestige.images.fetching.TOGETHER_BYTES", 1)
    split = read_fetched(files, read_shard, 32)
    assert whole.records == split.records
    assert (whole.files, split.files) == (7, 7)
    np.testing.assert_array_equal(whole.pixels, split.pixels)


def test_an_archive_that_is_damaged_in_the_middle(
    leaking: Path, archive: Path, tmp_path: Path
) -> None:
    raw = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        inside = file.getinfo("data/used/patient0003.png")
    for k in range(200):
        raw[inside.header_offset + 100 + k] ^= 0x5A
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(raw)
    images = read_images(f"zip://data/used::{damaged}", role="used")
    [problem] = images.problems
    assert problem.path == "used/patient0003.png"
    assert "cannot be fetched: the archive is damaged" in problem.what
    assert len(images) == len(read_images(leaking / "used", role="used")) - 1


def test_a_file_that_is_too_large(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vestige.images.remote, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="no readable image .* is larger than 0 GiB; not fetched"):
        read_images(f"zip://data/used::{archive}", role="used")


def test_a_storage_that_fails_ends_the_audit(
    archive: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    address = f"zip://data/used::{archive}"
    asked = ["--generated", address, "--used", address, "--unused", address]

    whole = fsspec.open

    def broken(address: str, *arguments: Any, **options: Any) -> Any:
        if address.startswith("zip://"):
            raise ConnectionResetError(104, "Connection reset by peer")
        return whole(address, *arguments, **options)

    monkeypatch.setattr(fsspec, "open", broken)
    said = call(capsys, "audit", *asked, "--engine", "local:1", "--out", tmp_path / "out")
    assert said.code == 2
    assert said.err.startswith("vestige: cannot fetch zip://data/used/")
    assert "Connection reset by peer" in said.err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("zip://data/nothing::{archive}", "no such folder or file"),
        ("zip://::{folder}/nothing.zip", "no such folder or file"),
        ("memory://nothing/there", "no such folder or file|no image at"),
        ("nonsense://x/y", "cannot list nonsense://x/y: fsspec knows no such address"),
    ],
)
def test_an_address_where_nothing_is(
    archive: Path, tmp_path: Path, address: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_images(address.format(archive=archive, folder=tmp_path), role="used")


@pytest.mark.parametrize(
    "address",
    [
        f"s3://{SECRET}@bucket/folder",
        f"ftp://{SECRET}@host/folder",
        f"zip://data::https://{SECRET}@host/all.zip",
        f"https://host/all/?X-Amz-Signature={SECRET}",
        f"zip://data::https://host/all.zip?sig={SECRET}",
    ],
)
def test_a_password_in_an_address_is_refused_and_never_shown(
    leaking: Path, tmp_path: Path, capsys: Any, address: str
) -> None:
    asked = [*release(leaking)]
    asked[1] = address
    said = call(capsys, "audit", *asked, "--out", tmp_path / "out")
    assert said.code == 2
    assert "holds a password or a signature: leave it out" in said.err
    for part in SECRET.replace("/", ":").split(":"):
        assert part not in said.err
    assert names(tmp_path) == []


def test_what_is_no_secret_stays() -> None:
    for address in ("abfs://container@account.dfs.core.windows.net/x", "s3://bucket/a@b.png"):
        assert redacted(address) == address


def test_an_address_without_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(InputError, match=r"s3://bucket/x needs: pip install 'vestige\[cluster\]'"):
        find("s3://bucket/x")


@pytest.mark.slow
def test_a_name_in_an_archive_leads_nowhere(tmp_path: Path, leaking: Path) -> None:
    picture = (leaking / "used" / "patient0000.png").read_bytes()
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("../../up.png", "/root.png", "deep\\..\\win.png", "x" * 150 + ".png"):
            file.writestr(name, picture)
    before = names(tmp_path)
    images = read_images(f"zip://::{path}", role="used")
    # hidden (a dot in front), or not found again by fsspec: a row each
    assert sorted(images.ids) == ["deep\\..\\win.png", "x" * 150 + ".png"]
    assert [p.path for p in images.problems] == ["used/root.png", "used/../../up.png"]
    assert names(tmp_path) == before
    assert json.loads(json.dumps(images.ids)) == list(images.ids)
    with local_copy(images.records[0].path) as copy:
        assert Path(copy).is_file()
    assert not Path(copy).exists()
