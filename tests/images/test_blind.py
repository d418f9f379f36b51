"""Workers of other machines that do not see a file, and what they hold."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige import InputError
from vestige.engine.shards import Workers
from vestige.images.blind import refuse_blind
from vestige.images.shards import RECORD_BYTES, Shard, read_shard


class Elsewhere(Workers):
    is_remote = True


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    np.save(tmp_path / "there.npy", np.zeros((3, 8, 8), np.uint8))
    return [(name, tmp_path / name) for name in ("there.npy", "gone.npy")]


def test_a_file_that_only_this_process_sees_is_refused(files: list[tuple[str, Path]]) -> None:
    shard = replace(read_shard(files, 8), unreached=("there.npy", "gone.npy"))
    for own in (None, Workers()):  # they see what this process sees: the file was there too late
        refuse_blind(own, shard, files)
    with pytest.raises(InputError, match="a worker of the cluster cannot open .*there.npy, which"):
        refuse_blind(Elsewhere(), shard, files)


def test_a_file_that_nobody_sees_is_a_row(files: list[tuple[str, Path]]) -> None:
    shard = read_shard(files, 8)
    assert shard.unreached == ("gone.npy",)
    refuse_blind(Elsewhere(), shard, files)
    away = [("x.png", "s3://bucket/x.png")]
    none = Shard(shard.pixels[:0], (), (), (0,), ("x.png",))
    refuse_blind(Elsewhere(), none, away)


def test_a_shard_tells_how_much_memory_it_takes(files: list[tuple[str, Path]]) -> None:
    shard = read_shard(files, 8)
    assert sys.getsizeof(shard) >= 3 * (4 * 64 + RECORD_BYTES)
