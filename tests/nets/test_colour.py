"""Networks see colour images in colour: preparation, augmentation, embeddings, models."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vestige.features.backbones import Backbone  # noqa: E402
from vestige.images.kinds import luma_of  # noqa: E402
from vestige.nets.augment import augment  # noqa: E402
from vestige.nets.trunks import prepare  # noqa: E402
from vestige.registry.entries import InputError  # noqa: E402
from vestige.testing.phantoms import colour_phantoms  # noqa: E402
from vestige.training.models import check_models, load_model, open_models  # noqa: E402
from vestige.training.train import train  # noqa: E402


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    return colour_phantoms(6, np.random.default_rng(3), 32)


def test_grey_as_colour_is_prepared_as_grey(colours: np.ndarray) -> None:
    grey = luma_of(colours)
    in_colour = np.repeat(grey[..., None], 3, axis=3)
    assert torch.equal(prepare(grey, 64), prepare(in_colour, 64))


def test_channels_keep_their_places(colours: np.ndarray) -> None:
    whole = prepare(colours, 48)
    for k in range(3):
        alone = prepare(colours[..., k], 48)
        assert torch.allclose(whole[:, k], alone[:, k], atol=1e-6)


def test_augmentation_moves_all_channels_alike(colours: np.ndarray) -> None:
    grey = torch.from_numpy(luma_of(colours))
    changed = augment(grey, torch.Generator().manual_seed(1), chance=1.0)
    again = augment(
        grey[..., None].repeat(1, 1, 1, 3), torch.Generator().manual_seed(1), chance=1.0
    )
    assert torch.equal(again, changed[..., None].repeat(1, 1, 1, 3))


def test_features_tell_colours_of_one_luma_apart(colours: np.ndarray) -> None:
    backbone = Backbone("squeezenet1_1", "none", size=64)
    swapped = np.ascontiguousarray(colours[..., ::-1])
    rows, other = backbone.transform(colours), backbone.transform(swapped)
    assert np.abs(rows - other).max() > 1e-3
    np.testing.assert_allclose(backbone.transform(colours), rows)


def test_a_model_of_colour_images_judges_only_colour_images(
    tmp_path: Path, colours: np.ndarray
) -> None:
    reals = colour_phantoms(24, np.random.default_rng(5), 32)
    options = {"backbone": "squeezenet1_1", "weights": "none", "size": 64, "epochs": 1}
    out = tmp_path / "model.safetensors"
    train("siamese", colours, reals[:12], reals[12:], options=options, out=out, colour="rgb")
    assert load_model(out)[1].training["kind"] == "colour"
    from vestige.images.reading import read_images

    sets = {"generated": read_images(luma_of(colours), role="generated", size=32)}
    with pytest.raises(InputError, match="was trained on colour images.*colour="):
        check_models(open_models([out]), sets)
