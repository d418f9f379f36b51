"""From sources to image sets: ids, order, digests, and independence of the way there."""

import csv
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.engine import shards as engine
from vestige.images import reading
from vestige.images.imageset import ImageSet
from vestige.images.listing import list_files, listed, peek_size
from vestige.images.names import natural_key
from vestige.images.reading import read_images
from vestige.registry.entries import InputError

from .picture import dicom, grey, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nested folders, several formats, a file of several images, a bad file."""
    root = tmp_path / "used"
    for k in range(12):
        save(root, f"s{k % 3}/img_{k}.png", grey(32, 32, seed=k))
    save(root, "odd.tiff", grey(20, 33))
    np.save(root / "stack.npy", np.stack([grey(16, 16, seed=k) for k in range(3)]))
    dicom(root / "slice.dcm", grey(24, 24), Modality="MR")
    (root / "broken.png").write_bytes(b"no")
    (root / "index.csv").write_text("file\n")
    return root


def same(one: ImageSet, other: ImageSet) -> None:
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.records == other.records
    assert one.problems == other.problems
    assert one.inputs_sha256 == other.inputs_sha256


def test_what_is_known_of_each_image(folder: Path) -> None:
    images = read_images(folder, role="used", size=16)
    assert len(images) == len(images.ids) == 17
    assert images.ids[:5] == (
        "odd.tiff",
        "s0/img_0.png",
        "s0/img_3.png",
        "s0/img_6.png",
        "s0/img_9.png",
    )
    assert {"stack.npy#0", "stack.npy#1", "stack.npy#2"} <= set(images.ids)
    assert (images.pixels.shape, images.pixels.dtype) == ((17, 16, 16), np.float32)
    assert images.shapes[0].tolist() == [20, 33]
    assert set(images.bits) == {8}
    assert [p.path for p in images.problems] == ["used/broken.png"]
    assert images.root == folder
    for k, identifier in enumerate(images.ids):
        if identifier.startswith("s0/"):
            seed = int(identifier.rpartition("_")[2][:-4])
            np.testing.assert_array_equal(images.original(k), grey(32, 32, seed) / np.float32(255))
    k = images.ids.index("stack.npy#2")
    np.testing.assert_array_equal(images.original(k), grey(16, 16, 2) / np.float32(255))
    np.testing.assert_array_equal(images.pixels[k], grey(16, 16, 2) / np.float32(255))


class Scrambled(Executor):
    """Runs nothing until asked, and then the newest first."""

    def __init__(self) -> None:
        self.todo: list[Any] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.result = lambda timeout=None: self._run(future)  # type: ignore[method-assign]
        self.todo.append((future, fn, args))
        return future

    def _run(self, wanted: Future[Any]) -> Any:
        while self.todo:
            future, fn, args = self.todo.pop()
            future.set_result(fn(*args))
        return Future.result(wanted)


@pytest.mark.parametrize("files", [1, 3, 64])
def test_the_result_depends_on_neither_shards_nor_executor(
    folder: Path, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_images(folder, role="used", size=16)
    monkeypatch.setattr(reading, "SHARD_FILES", files)
    monkeypatch.setattr(engine, "IN_FLIGHT", 2)
    same(read_images(folder, role="used", size=16), expected)
    same(read_images(folder, role="used", size=16, executor=Scrambled()), expected)
    with ThreadPoolExecutor(3) as threads:
        same(read_images(folder, role="used", size=16, executor=threads), expected)


def test_worker_processes_give_the_same(folder: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        same(
            read_images(folder, role="used", size=16, executor=processes),
            read_images(folder, role="used", size=16),
        )


def test_submission_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SHARD_FILES", 1)
    monkeypatch.setattr(engine, "IN_FLIGHT", 3)
    most: list[int] = []

    class Counting(Scrambled):
        def _run(self, wanted: Future[Any]) -> Any:
            most.append(len(self.todo))
            return super()._run(wanted)

    read_images(folder, role="used", size=16, executor=Counting())
    assert max(most) == 3


def test_progress_counts_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SHARD_FILES", 10)
    seen: list[tuple[int, int]] = []
    read_images(
        folder, role="used", size=16, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(10, 16), (16, 16)]


def test_the_digest_is_of_the_picture_not_of_the_file(tmp_path: Path) -> None:
    picture = grey(16, 16)
    save(tmp_path, "a.png", picture)
    save(tmp_path, "b.bmp", picture)
    save(tmp_path, "c.png", picture.astype(np.uint16) * 257)
    save(tmp_path, "d.png", np.dstack([picture] * 3))
    np.save(tmp_path / "e.npy", picture / 255)
    images = read_images(tmp_path, role="used", size=8)
    assert len(set(images.sha256)) == 1
    assert len(set(images.pixels[:4].reshape(4, -1).sum(axis=1))) == 1
    other = picture.copy()
    other[0, 0] += 1
    digests = read_images(np.stack([picture, other, picture]), role="x", size=8).sha256
    assert digests[0] == digests[2] == images.sha256[0] != digests[1]
    wide = read_images(picture.reshape(1, 8, 32), role="x", size=8)
    assert wide.sha256[0] != digests[0]


def test_arrays(tmp_path: Path) -> None:
    stack = np.stack([grey(32, 20, seed=k) for k in range(3)])
    images = read_images(stack, role="used", size=16)
    assert images.ids == ("000000", "000001", "000002")
    assert images.root is None
    as_float = read_images((stack / 255).astype(np.float32), role="used", size=16)
    np.testing.assert_allclose(images.pixels, as_float.pixels, atol=1e-6)
    assert images.sha256 == as_float.sha256
    deep = read_images(stack.astype(np.uint16) * 257, role="used", size=16)
    np.testing.assert_array_equal(images.pixels, deep.pixels)
    np.testing.assert_array_equal(images.original(2), stack[2] / np.float32(255))
    for k in range(3):
        save(tmp_path, f"{k}.png", stack[k])
    np.testing.assert_array_equal(read_images(tmp_path, role="u", size=16).pixels, images.pixels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 4, 4), 1.5), "array of used images has float values from 1.5"),
        (np.full((2, 4, 4), np.nan), "not finite"),
        (np.ones((2, 4, 4), np.int32), "int32 values"),
        (np.ones((2, 4, 4, 3), np.uint8), "has shape"),
        (np.ones((0, 4, 4), np.uint8), "no pixels"),
    ],
)
def test_an_unusable_array_is_refused(values: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_images(values, role="used")


def test_subset_keeps_order_and_originals(folder: Path) -> None:
    images = read_images(folder, role="used", size=16)
    part = images.subset([5, 2])
    assert part.ids == (images.ids[5], images.ids[2])
    np.testing.assert_array_equal(part.pixels, images.pixels[[5, 2]])
    np.testing.assert_array_equal(part.original(0), images.original(5))
    mask = np.zeros(len(images), np.bool_)
    mask[2] = True
    assert images.subset(mask).ids == (images.ids[2],)
    assert len(images.subset([])) == 0
    assert part.inputs_sha256 != images.subset([2, 5]).inputs_sha256


def test_flags_become_one_warning_per_kind(tmp_path: Path) -> None:
    for k in range(5):
        save(tmp_path, f"{k}.png", np.full((8, 8), 100 * k, np.uint16))
    [problem] = read_images(tmp_path, role="query", size=8).problems
    assert (problem.path, problem.severity) == ("query/0.png", "warning")
    assert problem.what.startswith("5 of 5 images: 16-bit files with no level above 4095")


class TestListing:
    """Which files belong to a source."""

    def ids(self, source: Any) -> list[str]:
        return [identifier for identifier, _ in list_files(source)]

    def test_natural_order(self, tmp_path: Path) -> None:
        names = ["s10/a.png", "s2/img_10.png", "s2/img_9.png", "s2/img_09.png", "b.png"]
        for name in names:
            save(tmp_path, name, grey(8, 8))
        expected = ["b.png", "s2/img_09.png", "s2/img_9.png", "s2/img_10.png", "s10/a.png"]
        assert self.ids(tmp_path) == self.ids(str(tmp_path)) == expected
        assert sorted(names, key=natural_key) == expected

    def test_links_are_followed_and_loops_end(self, tmp_path: Path) -> None:
        save(tmp_path, "real/deep/a.png", grey(8, 8))
        (tmp_path / "real/deep/up").symlink_to(tmp_path / "real")
        (tmp_path / "alias").symlink_to(tmp_path / "real")
        assert self.ids(tmp_path / "real") == ["deep/a.png"]
        assert self.ids(tmp_path) == ["real/deep/a.png"]  # each real folder once
        assert listed(tmp_path).skipped == ("alias", "real/deep/up")
        assert listed(tmp_path).entries == 3

    def test_lists(self, tmp_path: Path) -> None:
        save(tmp_path, "x/b.png", grey(8, 8))
        save(tmp_path, "x/a.png", grey(8, 8))
        for text in (
            "file,group\nx/b.png,1\nx/a.png,2\n",
            "x/b.png\n\nx/a.png\n",
            "\ufeffPath\nx/b.png\nx/a.png\n",
        ):
            (tmp_path / "list.csv").write_text(text, encoding="utf-8")
            assert self.ids(tmp_path / "list.csv") == ["x/b.png", "x/a.png"]
            assert len(read_images(tmp_path / "list.csv", role="used", size=8)) == 2
        paths = [tmp_path / "x/b.png", str(tmp_path / "x/a.png")]
        assert self.ids(paths) == ["b.png", "a.png"]
        assert self.ids(tmp_path / "x/b.png") == ["b.png"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name,group\na.png,1\n", "several columns"),
            ("file\n", "lists no file"),
            ("file,g\n,1\n", "path of entry 1 is empty"),
            ("a.png\n./a.png\n", "names a.png twice"),
        ],
    )
    def test_an_unusable_list_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            list_files(tmp_path / "list.csv")

    def test_a_listed_file_that_is_missing_is_a_row(self, tmp_path: Path) -> None:
        save(tmp_path, "a.png", grey(8, 8))
        with open(tmp_path / "list.csv", "w", newline="") as file:
            csv.writer(file).writerows([["a.png"], ["gone.png"]])
        [problem] = read_images(tmp_path / "list.csv", role="used", size=8).problems
        assert problem.path == "used/gone.png"
        assert "No such file" in problem.what

    def test_missing_and_empty_sources_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder"):
            list_files(tmp_path / "nowhere")
        with pytest.raises(InputError, match="no image in folder"):
            list_files(tmp_path)
        (tmp_path / "README.md").write_text("words")
        with pytest.raises(InputError, match="no image in folder"):
            read_images(tmp_path, role="used")
        (tmp_path / "a.png").write_text("words")
        with pytest.raises(InputError, match=r"First fault: used/a\.png is no PNG file"):
            read_images(tmp_path, role="used")
        with pytest.raises(InputError, match="empty list"):
            list_files([])


class TestPeekSize:
    """The working size from headers."""

    def test_the_smallest_of_the_larger_sides(self, tmp_path: Path) -> None:
        save(tmp_path, "a/x.png", grey(100, 40))
        save(tmp_path, "b/x.png", grey(30, 48))
        np.save(tmp_path / "b/y.npy", np.ones((3, 20, 50), np.uint8))
        dicom(tmp_path / "b/z.dcm", grey(49, 10))
        save(tmp_path, "b/t.tiff", grey(51, 10))
        assert peek_size([tmp_path / "a"]) == 64
        assert peek_size([tmp_path / "a", tmp_path / "b"]) == 48
        assert peek_size([np.ones((2, 20, 50), np.uint8)]) == 50
        assert peek_size([np.ones((2, 4, 5), np.uint8)]) == 8
        assert peek_size([np.ones((30, 500), np.uint8)]) == 64

    def test_unreadable_files_do_not_count(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("words")
        assert peek_size([tmp_path]) == 64
        with pytest.raises(InputError, match="no such folder"):
            peek_size([tmp_path / "nowhere"])


def test_an_impossible_window_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="window"):
        read_images(folder, role="used", window=(40.0, 0.0))


def test_images_as_read_are_a_source() -> None:
    images = read_images(np.zeros((3, 16, 16), np.uint8), role="used", size=16)
    assert read_images(images, role="used", size=16) is images
    assert peek_size([images]) == 16
    with pytest.raises(InputError, match="read at 16 pixels, 8 are needed"):
        read_images(images, role="used", size=8)
    with pytest.raises(InputError, match="has no files"):
        list_files(images)
