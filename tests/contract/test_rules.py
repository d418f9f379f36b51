"""Every rule of the contracts can be broken, and is then named; what keeps them passes."""

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image

import hostile
from vestige.features.pixels import as_images
from vestige.images.frame import Frame
from vestige.images.readers import READERS, read_file
from vestige.registry.entries import InputError
from vestige.testing import RULES, ContractError, check_detector, check_generator, check_reader
from vestige.types import Floats, Images


@dataclass
class Near:
    """Minus the distance to the nearest generated image."""

    k: int = 1
    rows_: Any = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        self.rows_ = rows(generated)
        return self

    def score_samples(self, images: Any) -> Floats:
        if self.rows_ is None:
            raise RuntimeError("call fit(generated) before scoring")
        mine = rows(images)
        if mine.shape[1] != self.rows_.shape[1]:
            raise InputError("images of different sizes.")
        far = np.linalg.norm(mine[:, np.newaxis] - self.rows_, axis=-1)
        return -np.sort(far, axis=1)[:, : self.k].mean(axis=1)


@dataclass
class NearInBag(Near):
    """The same, less the mean of the cohort."""

    def score_pool(self, pool: Any, groups: Any = None) -> Floats:
        scores = self.score_samples(pool)
        return scores - np.sort(scores).mean()


def rows(images: Any) -> Floats:
    levels = as_images(images)
    return levels.reshape(len(levels), -1).astype(np.float64)


class NoDataclass:
    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        return self

    def score_samples(self, images: Any) -> Floats:
        return np.zeros(len(images))


@dataclass
class NeedsAnOption(Near):
    k: int = field(kw_only=True)


@dataclass
class NoFit:
    def score_samples(self, images: Any) -> Floats:
        return np.zeros(len(images))


class FitGivesNothing(Near):
    def fit(self, *given: Any) -> Self:
        super().fit(*given)
        return None  # type: ignore[return-value]


class Raises(Near):
    def score_samples(self, images: Any) -> Floats:
        raise KeyError("size")


class Float32(Near):
    def score_samples(self, images: Any) -> Floats:
        return super().score_samples(images).astype(np.float32)


class Column(Near):
    def score_samples(self, images: Any) -> Floats:
        return super().score_samples(images)[:, np.newaxis]


class NotFinite(Near):
    def score_samples(self, images: Any) -> Floats:
        scores = super().score_samples(images)
        return np.where(scores < scores.mean(), scores, np.nan)


class RanksTheCompany(Near):
    def score_samples(self, images: Any) -> Floats:
        return super().score_samples(images).argsort().argsort().astype(np.float64)


class SmoothsTheBag(NearInBag):
    def score_pool(self, pool: Any, groups: Any = None) -> Floats:
        return np.cumsum(super().score_pool(pool, groups))


class ReadsNames(NearInBag):
    def score_pool(self, pool: Any, groups: Any = None) -> Floats:
        found = super().score_pool(pool, groups)
        return found if groups is None else found + [len(str(group)) for group in groups]


class KeepsTheBag(NearInBag):
    def score_pool(self, pool: Any, groups: Any = None) -> Floats:
        if getattr(self, "bag_", None) is not pool:
            self.bag_, self.scores_ = pool, super().score_pool(pool, groups)
        return self.scores_


class FirstOnly(Near):
    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        return super().fit(as_images(generated)[: max(1, len(generated) // 2)])


class ByTheClock(Near):
    def score_samples(self, images: Any) -> Floats:
        return super().score_samples(images) + time.perf_counter()


class Remembers(Near):
    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        before = self.rows_
        super().fit(generated)
        if before is not None and before.shape[1] == self.rows_.shape[1]:
            self.rows_ = np.concatenate([before, self.rows_])
        return self


class Peeks(Near):
    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        return super().fit(generated if used is None else used)


class Scales(Near):
    def score_samples(self, images: Any) -> Floats:
        if isinstance(images, np.ndarray) and images.dtype == np.float32 and self.rows_ is not None:
            images /= max(images.max(initial=0), 0.5)
        return super().score_samples(images)


@dataclass
class ComparesWhatItLearned(Near):
    seen: int = field(init=False, default=0)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        self.seen = len(generated)
        return super().fit(generated)


class LosesItsState(Near):
    def __getstate__(self) -> dict[str, Any]:
        return {"k": self.k, "rows_": None if self.rows_ is None else self.rows_[:1]}


class ScoresBeforeFit(Near):
    def score_samples(self, images: Any) -> Floats:
        return np.zeros(len(images)) if self.rows_ is None else super().score_samples(images)


class TakesColour(Near):
    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        grey = np.asarray(generated)
        return super().fit(grey.mean(axis=-1, dtype=np.float32) if grey.ndim == 4 else grey)


class OtherSizeIsAnError(Near):
    def score_samples(self, images: Any) -> Floats:
        if self.rows_ is not None and rows(images).shape[1] != self.rows_.shape[1]:
            raise ValueError("operands could not be broadcast")
        return super().score_samples(images)


class UpsideDown(Near):
    def score_samples(self, images: Any) -> Floats:
        return -super().score_samples(images)


class OneScore(Near):
    def score_samples(self, images: Any) -> Floats:
        return 0 * super().score_samples(images)


BROKEN = {
    "D1": [NoDataclass, NeedsAnOption, NoFit],
    "D2": [FitGivesNothing, Raises],
    "D3": [Float32, Column, NotFinite],
    "D4": [RanksTheCompany],
    "D5": [SmoothsTheBag, ReadsNames, KeepsTheBag],
    "D6": [FirstOnly],
    "D7": [ByTheClock],
    "D8": [Remembers, Peeks],
    "D9": [Scales],
    "D10": [ComparesWhatItLearned, LosesItsState],
    "D11": [ScoresBeforeFit, TakesColour, OtherSizeIsAnError],
    "D12": [UpsideDown, OneScore],
}


@pytest.mark.parametrize("detector", [Near, NearInBag, Near(2), lambda: NearInBag(3)])
def test_a_detector_that_keeps_the_rules_passes(detector: Any) -> None:
    check_detector(detector)


@pytest.mark.parametrize(("rule", "kind"), [(r, k) for r, kinds in BROKEN.items() for k in kinds])
def test_a_detector_that_breaks_a_rule_is_named_with_it(rule: str, kind: Any) -> None:
    with pytest.raises(ContractError) as caught:
        check_detector(kind)
    said = str(caught.value)
    if kind is ByTheClock:  # seen first where a pickled copy must give the same scores
        assert caught.value.rule in ("D7", "D10")
        return
    assert caught.value.rule == rule, said
    assert said.startswith(f"detector '{kind.__name__}' breaks rule {rule} of its contract (")
    assert RULES[rule] in said
    assert "\n" not in said


@dataclass
class Draws:
    """Mixes of two training images."""

    share: float = 0.5
    images_: Any = field(init=False, default=None, repr=False, compare=False)

    @property
    def figures(self) -> dict[str, float | str]:
        return {"images": float(len(self.images_))}

    def fit(
        self, images: Images, seed: int = 0, *, strangers: Any = None, folder: Any = None,
        progress: Any = None,
    ) -> Self:  # fmt: skip
        self.images_ = images
        return self

    def sample(self, m: int, seed: int = 0) -> Images:
        first, second = np.random.default_rng(seed).integers(len(self.images_), size=(2, m))
        mixed = self.share * self.images_[first] + (1 - self.share) * self.images_[second]
        return mixed.astype(np.float32)


class NoFigures:
    share = 1

    def fit(self, images: Images, seed: int = 0, **more: Any) -> Self:
        return self

    def sample(self, m: int, seed: int = 0) -> Images:
        return np.zeros((m, 16, 16), np.float32)


class Fails(Draws):
    def sample(self, m: int, seed: int = 0) -> Images:
        raise ZeroDivisionError


class TooBright(Draws):
    def sample(self, m: int, seed: int = 0) -> Images:
        return super().sample(m, seed) + np.float32(1)


class Small(Draws):
    def sample(self, m: int, seed: int = 0) -> Images:
        return super().sample(m, seed)[:, ::2]


class NoSeed(Draws):
    def sample(self, m: int, seed: int = 0) -> Images:
        return super().sample(m, 0)


class AnySeed(Draws):
    def sample(self, m: int, seed: int = 0) -> Images:
        return super().sample(m, time.perf_counter_ns())


class Darkens(Draws):
    def fit(self, images: Images, seed: int = 0, **more: Any) -> Self:
        images *= np.float32(0.5)
        return super().fit(images)


class BadFigures(Draws):
    @property
    def figures(self) -> dict[str, float | str]:
        return {"loss": float("nan")}


class Forgets(Draws):
    def __getstate__(self) -> dict[str, Any]:
        return {"share": self.share / 2, "images_": self.images_}


BROKEN_GENERATORS = {
    "G1": [NoFigures],
    "G2": [Fails],
    "G3": [TooBright, Small],
    "G4": [NoSeed, AnySeed],
    "G5": [Darkens],
    "G6": [BadFigures],
    "G7": [Forgets],
}


def test_a_generator_that_keeps_the_rules_passes() -> None:
    check_generator(Draws)
    check_generator(Draws(0.2), side=24)


@pytest.mark.parametrize(
    ("rule", "kind"), [(r, k) for r, kinds in BROKEN_GENERATORS.items() for k in kinds]
)
def test_a_generator_that_breaks_a_rule_is_named_with_it(rule: str, kind: Any) -> None:
    with pytest.raises(ContractError, match=rf"generator '{kind.__name__}' breaks rule {rule} "):
        check_generator(kind)


def write(path: Path, picture: np.ndarray[Any, Any]) -> None:
    Image.fromarray(picture).save(path)


def frame_of(path: Any) -> Frame:
    return read_file(path)[0]


def gives_nothing(path: Any, window: Any = None) -> list[Frame]:
    return []


def turns(path: Any, window: Any = None) -> list[Frame]:
    frame = frame_of(path)
    return [Frame(255 - frame.stored, 8, "L")]


def wavers(path: Any, window: Any = None) -> list[Frame]:
    frame = frame_of(path)
    turns.seen = not getattr(turns, "seen", False)  # type: ignore[attr-defined]
    return [frame] * (1 + turns.seen)  # type: ignore[attr-defined]


def writes(path: Any, window: Any = None) -> list[Frame]:
    frame = frame_of(path)
    Path(path).write_bytes(Path(path).read_bytes() + b"read")
    return [frame]


def leaves(path: Any, window: Any = None) -> list[Frame]:
    try:
        return read_file(path)
    except ValueError:
        raise SystemExit(1) from None


BROKEN_READERS = {"R1": gives_nothing, "R2": turns, "R3": wavers, "R4": leaves}


@pytest.mark.parametrize(("rule", "reader"), [*BROKEN_READERS.items(), ("R3", writes)])
def test_a_reader_that_breaks_a_rule_is_named_with_it(rule: str, reader: Any) -> None:
    with pytest.raises(ContractError, match=f"reader '{reader.__name__}' breaks rule {rule} "):
        check_reader(reader, write, suffix=".png")


def test_all_rules_can_be_broken_and_are_in_the_documentation() -> None:
    assert RULES.keys() == BROKEN.keys() | BROKEN_GENERATORS.keys() | BROKEN_READERS.keys()
    docs = Path(__file__).parents[2] / "docs"
    pages = [(docs / f"adding-a-{kind}.md").read_text() for kind in ("detector", "generator")]
    said = " ".join(" ".join(pages).split())
    for rule, line in RULES.items():
        assert f"| {rule} | {line} |" in said


def test_the_error_goes_between_processes() -> None:
    error = ContractError("detector 'x'", "D3", "it gave float32 [3]")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.rule) == (str(error), "D3")
    assert isinstance(error, InputError)


def write_npy(path: Path, picture: np.ndarray[Any, Any]) -> None:
    np.save(path, picture)


def write_npz(path: Path, picture: np.ndarray[Any, Any]) -> None:
    np.savez(path, picture)


def write_lossless(path: Path, picture: np.ndarray[Any, Any]) -> None:
    Image.fromarray(picture).save(path, lossless=True)


FORMATS: dict[str, tuple[str, Any, float]] = {
    "png": (".png", write, 0),
    "jpeg": (".jpg", write, 0.2),
    "tiff": (".tif", write, 0),
    "bmp": (".bmp", write, 0),
    "webp": (".webp", write_lossless, 0),
    "gif": (".gif", write, 0),
    "pnm": (".pgm", write, 0),
    "jpeg2000": (".jp2", write, 0),
    "npy": (".npy", write_npy, 0),
    "npz": (".npz", write_npz, 0),
}


@pytest.mark.parametrize("name", FORMATS)
def test_our_readers_keep_the_rules(name: str) -> None:
    suffix, how, tolerance = FORMATS[name]
    check_reader(READERS[name].factory(), how, suffix=suffix, name=name, tolerance=tolerance)
    check_reader(read_file, how, suffix=suffix, tolerance=tolerance)


def test_our_medical_readers_keep_the_rules() -> None:
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    pytest.importorskip("h5py")

    def volume(path: Path, picture: np.ndarray[Any, Any]) -> None:
        slices = picture.T[:, ::-1, np.newaxis].astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(slices, np.diag([-1.0, -1.0, 1.0, 1.0])), path)

    def stored(made: Callable[[Any], bytes], is_volume: bool = True) -> Any:
        def write(path: Path, picture: np.ndarray[Any, Any]) -> None:
            levels = picture.astype(np.uint8)
            path.write_bytes(made(levels.T[..., np.newaxis] if is_volume else levels[np.newaxis]))

        return write

    medical = {
        "nifti": (".nii", volume, 1.0),  # window by percentiles: another scale
        "nrrd": (".nrrd", stored(hostile.nrrd), 0.01),
        "metaimage": (".mha", stored(hostile.metaimage), 0.01),
        "mgh": (".mgh", stored(hostile.mgh), 0.01),
        "hdf5": (".h5", stored(hostile.hdf5, False), 0.01),
    }
    assert READERS.keys() - FORMATS.keys() - medical.keys() == {"dicom"}
    for name, (suffix, how, tolerance) in medical.items():
        check_reader(READERS[name].factory(), how, suffix=suffix, name=name, tolerance=tolerance)
