"""Products on a device are those of numpy up to rounding, and nothing of the device stays behind.

torch's own processor stands for the device; the last tests need a GPU.
"""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

from small_audits import small_world
from vestige.engine.engines import of_held_images, open_executor
from vestige.engine.machine import Threads, in_threads, side_by_side
from vestige.products.product import Matrix, made_by, name_of_maker, product
from vestige.registry.entries import InputError
from vestige.stats.top import top_of

torch = pytest.importorskip("torch")

from vestige.products import on_device  # noqa: E402  # needs torch
from vestige.products.on_device import OnDevice, open_device  # noqa: E402

RNG = np.random.default_rng(0)
LEFT, RIGHT = (RNG.normal(size=(n, 12)).astype(np.float32) for n in (7, 5))
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[OnDevice]:
    with open_device(request.param) as opened, made_by(opened):
        yield opened


def read_only(rows: Matrix) -> Matrix:
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (LEFT, RIGHT.T),
        (LEFT[:, 3:9], RIGHT[:, 3:9].T),
        (np.asfortranarray(LEFT), read_only(RIGHT).T),
        (LEFT[::2, 1:4], RIGHT[1:, 2:5].T),
        (LEFT.astype(np.float64), RIGHT.T),
        (LEFT[:0], RIGHT.T),
        (LEFT[:, :0], RIGHT[:, :0].T),
    ],
)
@pytest.mark.parametrize("stays", [None, RIGHT])
def test_a_product_is_that_of_numpy(
    device: OnDevice, left: Matrix, right: Matrix, stays: Matrix | None
) -> None:
    for _ in range(2):
        found, expected = product(left, right, stays), left @ right
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        found += 1  # it is the caller's own


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that were sent to the device."""
    told: list[tuple[int, ...]] = []
    copied = OnDevice._copied

    def noted(self: OnDevice, part: Matrix) -> Any:
        told.append(part.shape)
        return copied(self, part)

    monkeypatch.setattr(OnDevice, "_copied", noted)
    return told


def test_what_stays_is_sent_once_and_let_go_with_its_array(
    device: OnDevice, sent: list[tuple[int, ...]]
) -> None:
    sent.clear()
    rows = RIGHT.copy()
    for _ in range(3):
        for part in (slice(0, 5), slice(5, 12)):
            made = LEFT + RNG.normal(size=LEFT.shape).astype(np.float32)
            found = product(made[:, part], rows[:, part].T, rows)
            np.testing.assert_allclose(found, made[:, part] @ rows[:, part].T, rtol=1e-5, atol=1e-5)
    assert sorted(sent) == sorted([(5, 5), (7, 5)] + 3 * [(7, 5), (7, 7)])
    assert len(device._held) == 1
    other = rows.copy()  # equal, but another array
    product(LEFT, other.T, other)
    assert len(device._held) == 2
    del rows, other
    gc.collect()
    assert device._held == {}


def test_what_stays_is_bounded(device: OnDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_device, "HELD_BYTES", 3 * RIGHT.nbytes)
    many = [RIGHT + k for k in range(10)]
    for rows in many:
        product(LEFT, rows.T, rows)
        assert len(device._held) <= 3
    assert id(many[9]) in device._held
    for rows in many:  # those that went are sent again
        np.testing.assert_allclose(product(LEFT, rows.T, rows), LEFT @ rows.T, rtol=1e-4, atol=1e-4)


def test_nothing_of_a_device_is_left_after_it_or_after_an_error() -> None:
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "tf32"  # a user's own
    try:
        for error in (None, InputError("x"), KeyboardInterrupt()):
            opened: OnDevice | None = None
            try:
                with open_device("cpu") as opened, made_by(opened):
                    assert settings.fp32_precision == "ieee"
                    assert name_of_maker() == "cpu"
                    product(LEFT, RIGHT.T, RIGHT)
                    assert opened._held
                    if error is not None:
                        raise error
            except (InputError, KeyboardInterrupt) as raised:
                assert raised is error
            assert opened is not None
            assert opened._held == {}
            assert name_of_maker() == ""
            assert settings.fp32_precision == "tf32"
    finally:
        settings.fp32_precision = before


def test_threads_of_ours_compute_where_they_were_asked_and_others_do_not() -> None:
    def name(_: object = None) -> str:
        return name_of_maker()

    outside = copy_context()
    with Threads(2) as threads:
        assert threads.submit(name).result() == ""
        with open_device("cpu") as device, made_by(device):
            assert threads.submit(name).result() == "cpu"
            assert side_by_side(name, name) == ["cpu", "cpu"]
            assert list(in_threads(name, range(3))) == ["cpu"] * 3
            assert outside.run(name) == ""  # an audit beside this one
        assert threads.submit(name).result() == ""


def less(left: Any, right: Any) -> Any:
    """As TF32 rounds: 10 bits of the fraction."""
    return (left.bfloat16() @ right.bfloat16()).to(left.dtype)


def full(left: Any, right: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB.")


def broken(left: Any, right: Any) -> Any:
    raise torch.AcceleratorError("CUDA error: an illegal address.\nSearch for it.")


def unsupported(left: Any, right: Any) -> Any:
    raise RuntimeError("CUDA error: no kernel image is available.\nSearch for it.")


@pytest.mark.parametrize(
    ("matmul", "said"),
    [
        (less, "multiplies in less than single precision: take settings such as NVIDIA_TF32_OVER"),
        (full, "memory of the CUDA device is full: end what else uses it, or choose engine="),
        (unsupported, r"cannot compute on the CUDA device \(CUDA error: no kernel image is avail"),
    ],
)
def test_a_device_that_does_not_compute_is_refused_at_once(
    matmul: Callable[[Any, Any], Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.backends.cuda.matmul.fp32_precision
    monkeypatch.setattr(torch, "matmul", matmul)
    with pytest.raises(InputError, match=said) as told, open_device("cpu"):
        pass
    assert "\n" not in str(told.value)
    assert torch.backends.cuda.matmul.fp32_precision == before


@pytest.mark.parametrize(
    ("matmul", "said"),
    [
        (full, "memory of the CUDA device is full: end what else uses it, or choose engine="),
        (broken, r"the CUDA device failed \(CUDA error: an illegal address\): start again, or"),
    ],
)
def test_a_device_that_fails_later_is_one_line(
    matmul: Callable[[Any, Any], Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_device("cpu") as device, made_by(device):
        monkeypatch.setattr(torch, "matmul", matmul)
        with pytest.raises(InputError, match=said) as told:
            product(LEFT, RIGHT.T)
        assert "\n" not in str(told.value)
        monkeypatch.undo()
        np.testing.assert_allclose(product(LEFT, RIGHT.T), LEFT @ RIGHT.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("even", [0, 8])
def test_exact_searches_give_the_same_bytes(even: int) -> None:
    rows, pool = (RNG.normal(3, 1, (n, 12)).astype(np.float32) for n in (60, 900))
    if even:
        rows = np.concatenate([rows, rows * np.where(np.arange(12) < even, 1, -1)])
        rows = rows.astype(np.float32)
    pool[:40] = rows[-40:]
    expected = top_of(rows, pool, k=3, even=even)
    with open_device("cpu") as device, made_by(device):
        found = top_of(rows, pool, k=3, even=even)
    assert found.distances.tobytes() == expected.distances.tobytes()
    assert found.indices.tobytes() == expected.indices.tobytes()


GROUPS = np.r_[np.arange(60) // 2, 100 + np.arange(60) // 3]
"""Of several images, so that own patients are taken out."""


@pytest.fixture(scope="module")
def plain() -> Any:
    return small_world("copy", reference=True, detectors=("auto",), groups=GROUPS).rerun


@pytest.mark.parametrize("name", DEVICES)
def test_every_column_of_auto_is_the_same(name: str, plain: Any) -> None:
    with open_device(name) as device, made_by(device):
        found = small_world("copy", reference=True, detectors=("auto",), groups=GROUPS).rerun
    assert [column.name for column in found.plan] == [column.name for column in plain.plan]
    spread = plain.columns.std(axis=0)
    assert len(spread) > 8
    assert np.abs((found.columns - plain.columns) / spread).max() < 1e-5
    assert not np.array_equal(found.columns, plain.columns)  # they were made elsewhere


def test_torch_is_left_alone_by_other_engines() -> None:
    code = (
        "import sys, numpy as np, vestige\n"
        "rng = np.random.default_rng(0)\n"
        "made = {role: rng.random((40, 16, 16)) for role in ('generated', 'used', 'unused')}\n"
        "vestige.audit(**made, detectors=['matched_filter_pool'], checks=False, engine='local:1')\n"
        "sys.exit('torch' in sys.modules or 'vestige.products.on_device' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_read_already_needs_the_device_and_no_cluster() -> None:
    specs = ("local:3", "dask:tcp://there:1", "cuda", "cuda:1")
    assert [of_held_images(spec) for spec in specs] == ["local", "local", "cuda", "cuda:1"]


@CUDA
def test_an_engine_computes_on_the_gpu() -> None:
    with open_executor("cuda"):
        assert name_of_maker() == "cuda"
        rows = RNG.normal(size=(500, 4096)).astype(np.float32)
        exact = rows.astype(np.float64) @ rows.T.astype(np.float64)
        assert np.abs(product(rows, rows.T) - exact).max() < 1e-5 * exact.max()  # TF32: 1e-4
    with pytest.raises(InputError, match="engine cuda:N needs the number of a device from 0 to"):
        open_executor("cuda:999").__enter__()
