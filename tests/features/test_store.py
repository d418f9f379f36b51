"""The feature store: by content, damage noticed, nothing half-written."""

from pathlib import Path

import numpy as np
import pytest

from vestige.cache import feature_rows as store
from vestige.cache.feature_rows import stored_rows
from vestige.registry.entries import InputError
from vestige.types import Float32s, Images

IMAGES = np.random.default_rng(0).random((7, 4, 4), dtype=np.float32)


class Network:
    """Stands for a network: remembers which images it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Images] = []

    @property
    def seen(self) -> int:
        return sum(map(len, self.asked))

    def __call__(self, images: Images) -> Float32s:
        self.asked.append(images)
        return images.reshape(len(images), -1)[:, :3] * np.float32(2)


def rows_of(images: Images) -> Float32s:
    return Network()(images)


def test_without_a_folder_everything_is_computed() -> None:
    network = Network()
    np.testing.assert_array_equal(stored_rows(None, "a", IMAGES, network), rows_of(IMAGES))
    assert network.seen == 7


def test_an_image_is_computed_once_in_whatever_company_and_order(tmp_path: Path) -> None:
    network = Network()
    stored_rows(tmp_path, "a", IMAGES[:5], network)
    mixed = np.concatenate([IMAGES[::-1], IMAGES[:2]])
    np.testing.assert_array_equal(stored_rows(tmp_path, "a", mixed, network), rows_of(mixed))
    assert network.seen == 7
    np.testing.assert_array_equal(network.asked[1], IMAGES[:4:-1])


def test_the_same_pixels_in_another_shape_or_embedder_are_another_image(tmp_path: Path) -> None:
    network = Network()
    stored_rows(tmp_path, "a", IMAGES, network)
    stored_rows(tmp_path, "a", IMAGES.reshape(7, 2, 8), network)
    stored_rows(tmp_path, "b", IMAGES, network)
    assert network.seen == 21


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "foreign"])
def test_a_damaged_shard_is_noticed_and_made_again(tmp_path: Path, damage: str) -> None:
    stored_rows(tmp_path, "a", IMAGES, Network())
    (shard,) = tmp_path.rglob("*.npy")
    assert shard.parent.parent == tmp_path
    content = bytearray(shard.read_bytes())
    if damage == "flipped":
        content[-1] ^= 64
    elif damage == "foreign":
        np.save(shard, np.zeros((7, 3), np.float32))
        content = bytearray(shard.read_bytes())
    shard.write_bytes(content[: {"truncated": -5, "emptied": 0}.get(damage)])
    network = Network()
    np.testing.assert_array_equal(stored_rows(tmp_path, "a", IMAGES, network), rows_of(IMAGES))
    assert network.seen == 7
    again = Network()
    stored_rows(tmp_path, "a", IMAGES, again)
    assert again.seen == 0


def test_a_killed_run_keeps_its_finished_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARD", 3)

    class Killed(Network):
        def __call__(self, images: Images) -> Float32s:
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        stored_rows(tmp_path, "a", IMAGES, Killed())
    network = Network()
    np.testing.assert_array_equal(stored_rows(tmp_path, "a", IMAGES, network), rows_of(IMAGES))
    assert network.seen == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to the cache .*file"):
        stored_rows(tmp_path / "file", "a", IMAGES, Network())
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]
