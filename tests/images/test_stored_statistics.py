"""Each statistic of an image as stored against its formula, written once more in plain loops."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from images.picture import grey, save
from vestige.images.reading import read_images
from vestige.images.stored_statistics import STATISTICS, border_runs, stored_statistics
from vestige.worlds.phantom import chest_phantoms

PHANTOMS = np.rint(chest_phantoms(12, 96, seed=3)[0] * 255).astype(np.uint8)


def of(image: Any) -> dict[str, float]:
    return dict(zip(STATISTICS, stored_statistics(np.asarray(image)[None])[0], strict=True))


def jpeg(image: Any, quality: int) -> np.ndarray[Any, Any]:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "JPEG", quality=quality)
    with Image.open(packed) as picture:
        return np.asarray(picture)


def slow(image: np.ndarray[Any, Any]) -> dict[str, float]:
    """The formulas of methods.md 6.5, pixel by pixel, in float64; for images of 64 px and less."""
    full = np.iinfo(image.dtype).max
    x = image.astype(np.float64) / full
    height, width = x.shape
    values = sorted(image.ravel().tolist())
    distinct = sorted(set(values))
    n = len(values)
    quantile = {q: values[int(np.ceil(q * n)) - 1] / full for q in (0.01, 0.5, 0.99)}
    bins = np.bincount(np.array(values) * 256 // (full + 1), minlength=256) / n
    laplacian = [
        4 * x[i, j] - x[i - 1, j] - x[i + 1, j] - x[i, j - 1] - x[i, j + 1]
        for i in range(1, height - 1)
        for j in range(1, width - 1)
    ]
    details = []
    for i in range(0, height - 1, 2):
        for j in range(0, width - 1, 2):
            a, b, c, d = x[i, j], x[i, j + 1], x[i + 1, j], x[i + 1, j + 1]
            details.append(((a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2))
    hh = sorted(abs(d[2]) for d in details)
    energy = np.sum(np.square(details), axis=0)
    steps: dict[tuple[int, bool], list[float]] = {}
    for axis, y in enumerate((x, x.T)):
        for i in range(1, len(y)):
            steps.setdefault((axis, i % 8 == 0), []).extend(np.abs(y[i] - y[i - 1]))
    edge, other = (
        sum(np.mean(steps.get((axis, e), [0])) for axis in (0, 1)) for e in (True, False)
    )
    split = max(range(256), key=lambda t: (round(otsu(bins, t), 12), -t))
    body = image.astype(int) * 256 // (full + 1) > split
    rows, columns = np.nonzero(body)
    top, bottom, left, right = (
        next((k for k, line in enumerate(y) if len(set(line)) > 1), 0)
        for y in (image, image[::-1], image.T, image.T[::-1])
    )
    slope, high = spectrum(x)
    return {
        "height": height,
        "width": width,
        "distinct levels": len(distinct),
        "histogram comb": 1 - len(distinct) / (distinct[-1] - distinct[0] + 1),
        "lowest level": distinct[0] / full,
        "1 % quantile": quantile[0.01],
        "median grey": quantile[0.5],
        "99 % quantile": quantile[0.99],
        "share of black": values.count(0) / n,
        "share of highest level": values.count(distinct[-1]) / n,
        "mean grey": float(np.mean(x)),
        "spread of grey": float(np.std(x)),
        "entropy": -sum(p * np.log2(p) for p in bins if p),
        "sharpness": float(np.var(laplacian)),
        "fine noise": hh[(len(hh) - 1) // 2] / 0.6744897501960817,
        "spectral slope": slope,
        "high-frequency share": high,
        "blockiness": (edge + 1e-6) / (other + 1e-6),
        "checkerboard": energy[2] / energy.sum(),
        "border rows": (top + bottom) / height,
        "border columns": (left + right) / width,
        "body area": body.mean(),
        "vertical centre": (rows.mean() + 0.5) / height - 0.5,
        "horizontal centre": (columns.mean() + 0.5) / width - 0.5,
    }


def otsu(bins: np.ndarray[Any, Any], t: int) -> float:
    low, high = bins[: t + 1].sum(), bins[t + 1 :].sum()
    if not low or not high:
        return 0.0
    below = (bins[: t + 1] * np.arange(t + 1)).sum() / low
    above = (bins[t + 1 :] * np.arange(t + 1, 256)).sum() / high
    return float(low * high * (above - below) ** 2)


def spectrum(x: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Full two-sided transform of one Hann-windowed tile; by polyfit, not by weights."""
    side = 2 ** int(np.log2(min(x.shape)))
    hann = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    powers = []
    for i in range(0, x.shape[0] - side + 1, side):
        for j in range(0, x.shape[1] - side + 1, side):
            tile = x[i : i + side, j : j + side]
            powers.append(np.abs(np.fft.fft2((tile - tile.mean()) * np.outer(hann, hann))) ** 2)
    power = np.mean(powers, axis=0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    half = np.zeros_like(power, bool)
    half[:, : side // 2 + 1] = True  # the fit takes the half that rfft2 gives
    fitted = half & (frequency >= 0.05) & (frequency <= 0.45)
    slope = np.polyfit(np.log(frequency[fitted]), np.log(power[fitted] + 1e-9), 1)[0]
    band = frequency >= 0.05
    return float(slope), float(power[frequency > 0.35].sum() / power[band].sum())


@pytest.mark.parametrize("name", STATISTICS)
def test_a_statistic_is_its_formula(name: str) -> None:
    framed = PHANTOMS[1, 10:70, 20:80].copy()
    framed[:3], framed[-5:], framed[:, :2] = 7, 9, 0
    pictures = [PHANTOMS[0, :64, :64], framed, grey(24, 33), PHANTOMS[2, :40, :64]]
    pictures += [p.astype(np.uint16) * 200 + 3 for p in pictures]
    for picture in pictures:
        assert of(picture)[name] == pytest.approx(slow(picture)[name], rel=2e-5, abs=1e-9), name


def test_constructed_images_give_the_values_that_anyone_can_count() -> None:
    board = np.indices((32, 32)).sum(axis=0) % 2 * np.uint8(255)
    found = of(board.astype(np.uint8))
    assert found["checkerboard"] == 1
    assert found["distinct levels"] == 2
    assert found["histogram comb"] == 1 - 2 / 256
    assert found["body area"] == 0.5
    blocks = np.kron(np.random.default_rng(0).integers(0, 256, (6, 6)), np.ones((8, 8)))
    assert of(blocks.astype(np.uint8))["blockiness"] > 1e4
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    found = of(ramp)
    assert (found["entropy"], found["share of black"]) == (8, 1 / 256)
    square = np.zeros((40, 40), np.uint8)
    square[4:14, 20:30] = 200
    found = of(square)
    assert (found["border rows"], found["border columns"]) == (0.75, 0.75)
    assert found["body area"] == 100 / 1600
    assert found["vertical centre"] == pytest.approx((4 + 5) / 40 - 0.5)
    assert found["horizontal centre"] == pytest.approx(25 / 40 - 0.5)
    assert border_runs(square[None]).tolist() == [[4, 26, 20, 10]]


def test_palette_colour_grey_and_16_bit_files_of_a_picture_have_equal_statistics(
    tmp_path: Path,
) -> None:
    picture = PHANTOMS[0]
    image = Image.fromarray(picture)
    for name, other in {
        "l.png": image,
        "rgb.png": image.convert("RGB"),
        "p.png": image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256),
        "sixteen.png": Image.fromarray(picture.astype(np.uint16) * 257),
    }.items():
        other.save(tmp_path / name)
    np.save(tmp_path / "float.npy", picture / np.float32(255))
    read = read_images(tmp_path, role="used", size=32)
    assert len({record.mode for record in read.records}) > 2
    assert len({record.sha256 for record in read.records}) == 1
    assert {record.statistics for record in read.records} == {tuple(of(picture).values())}
    array = read_images(picture[None], role="used", size=32).records[0]
    assert (array.statistics, array.bytes_per_pixel) == (read.records[0].statistics, 0)


def test_files_tell_their_coding_and_their_bytes(tmp_path: Path) -> None:
    picture = PHANTOMS[0]
    for quality in (50, 90):
        save(tmp_path, f"{quality}.jpg", picture, quality=quality)
    save(tmp_path, "a.png", picture)
    save(tmp_path, "b.tif", picture)
    records = {r.id: r for r in read_images(tmp_path, role="used", size=32).records}
    assert records["a.png"].coding == "PNG"
    assert records["b.tif"].coding == "TIFF NONE"
    assert records["50.jpg"].coding.startswith("JPEG ")
    assert records["50.jpg"].coding != records["90.jpg"].coding
    size = (tmp_path / "a.png").stat().st_size
    assert records["a.png"].bytes_per_pixel == size / picture.size


def test_blockiness_rises_as_the_quality_of_jpeg_falls() -> None:
    medians = [
        np.median([of(jpeg(picture, quality))["blockiness"] for picture in PHANTOMS])
        for quality in (95, 90, 80, 70, 60, 50)
    ]
    assert (np.diff(medians) > 0).all(), medians


def test_another_grid_of_8_pixels_is_not_taken_for_jpeg() -> None:
    whole = np.stack([jpeg(picture, 50) for picture in PHANTOMS])
    at = STATISTICS.index("blockiness")
    assert np.median(stored_statistics(whole)[:, at]) > 1.15
    assert np.median(stored_statistics(whole[:, 3:, 3:])[:, at]) < 1.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 40), (3, 9), (8, 8), (20, 70)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("level", [0, 0.5, 1])
def test_constant_and_tiny_images_are_finite(shape: Any, dtype: Any, level: float) -> None:
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    found = stored_statistics(np.full((2, *shape), level * full).astype(dtype))
    assert np.isfinite(found).all()
    values = dict(zip(STATISTICS, found[0], strict=True))
    assert values["blockiness"] == 1
    assert values["body area"] == values["sharpness"] == values["fine noise"] == 0
    assert values["spectral slope"] == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(0).random((2, *shape))
    assert np.isfinite(stored_statistics((noise * full).astype(dtype))).all()


@pytest.mark.parametrize("shape", [(96, 96), (33, 50), (256, 256)])
def test_the_company_of_an_image_changes_no_bit(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for dtype in (np.uint8, np.uint16):
        images = rng.integers(0, np.iinfo(dtype).max, (9, *shape)).astype(dtype)
        if dtype is np.uint16:
            images[4] = images[4] // 257 * 257  # an 8-bit one among them
        alone = np.concatenate([stored_statistics(image[None]) for image in images])
        np.testing.assert_array_equal(stored_statistics(images), alone)
        np.testing.assert_array_equal(stored_statistics(images[::-1]), alone[::-1])


def test_no_image_at_all() -> None:
    assert stored_statistics(np.empty((0, 9, 9), np.uint8)).shape == (0, len(STATISTICS))
