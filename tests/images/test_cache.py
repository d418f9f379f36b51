"""The cache of decoded shards changes nothing but the time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vestige.choices import InputError
from vestige.images.reading import read_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = tmp_path / "images"
    images.mkdir()
    for k in range(70):  # two shards
        pixels = rng.integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{k}.png")
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return images


def both(folder: Path, cache: Path) -> tuple:
    plain = read_images(folder, role="used", size=8)
    kept = read_images(folder, role="used", size=8, cache=cache)
    np.testing.assert_array_equal(plain.pixels, kept.pixels)
    assert plain.records == kept.records
    assert plain.problems == kept.problems
    assert len(plain.problems) == 1
    return plain, kept


def test_a_second_run_reads_no_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    first = both(folder, cache)[1]

    def forbidden(*_: object) -> None:
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr("vestige.images.shards.read_file", forbidden)
    again = read_images(folder, role="used", size=8, cache=cache)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.records == again.records


def test_a_changed_file_another_size_or_a_damaged_shard_is_read_anew(
    folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    Image.fromarray(np.full((16, 17), 9, np.uint8)).save(folder / "3.png")
    plain = both(folder, cache)[0]
    assert (16, 17) in {record.shape for record in plain.records}
    assert read_images(folder, role="used", size=16, cache=cache).pixels.shape[1] == 16
    for shard in cache.iterdir():
        shard.write_bytes(shard.read_bytes()[:200])
    both(folder, cache)
    for shard in cache.iterdir():
        np.savez(shard, pixels=np.zeros((1, 8, 8)), text=np.zeros(3, np.uint8))
    both(folder, cache)
    assert not list(cache.glob("*.tmp"))


def test_the_cache_holds_no_pickle_and_an_unwritable_one_is_an_error(
    folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    both(folder, cache)
    for shard in cache.iterdir():
        with np.load(shard, allow_pickle=False) as kept:
            assert set(kept) == {"pixels", "text"}
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot write to the cache"):
        read_images(folder, role="used", size=8, cache=blocked / "cache")
