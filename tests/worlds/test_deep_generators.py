"""The generators that train: contract, resumption, and the formulas inside."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs vestige[deep]")

from small_generators import TINY  # noqa: E402
from vestige.images.kinds import kind_of  # noqa: E402
from vestige.nets import training  # noqa: E402
from vestige.registry.entries import InputError, create  # noqa: E402
from vestige.types import Images  # noqa: E402
from vestige.worlds import GENERATORS, diffusion, gan, tensors, vae  # noqa: E402


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks: more threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> Images:
    y, x = np.mgrid[:32, :32] / 32
    waves = [0.5 + 0.4 * np.sin(6 * (x * math.cos(a) + y * math.sin(a)) + a) for a in range(12)]
    return np.asarray(waves, np.float32)


def test_every_training_generator_is_tried_here() -> None:
    assert TINY.keys() == {name for name, choice in GENERATORS.items() if choice.trains}


SHAPES: list[tuple[str, tuple[int, ...]]] = [
    (name, shape)
    for name in TINY
    for shape in ((32, 32), (64, 64), (32, 32, 3), (24, 24, 24), (32, 32, 32))
    if GENERATORS[name].learns(kind_of((1, *shape)))
]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_samples_have_the_shape_of_the_images_and_8_bit_levels(
    name: str, shape: tuple[int, ...]
) -> None:
    reals = np.random.default_rng(0).random((5, *shape), dtype=np.float32)
    generator = create(GENERATORS, name, "generator", **TINY[name] | {"steps": 2}).fit(reals)
    samples = generator.sample(3, seed=1)
    assert samples.shape == (3, *shape)
    assert samples.dtype == np.float32
    assert 0 <= samples.min() < samples.max() <= 1
    np.testing.assert_allclose(samples * 255, np.rint(samples * 255), atol=1e-4)
    np.testing.assert_array_equal(samples, generator.sample(3, seed=1))
    assert (samples != generator.sample(3, seed=2)).any()


@pytest.mark.parametrize("name", TINY)
def test_a_seed_determines_the_training(name: str, images: Images) -> None:
    def trained(seed: int) -> Images:
        return create(GENERATORS, name, "generator", **TINY[name]).fit(images, seed).sample(4)

    np.testing.assert_array_equal(trained(3), trained(3))
    assert (trained(3) != trained(4)).any()


@pytest.mark.parametrize("name", TINY)
def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(
    name: str, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = create(GENERATORS, name, "generator", **TINY[name]).fit(images, 1).sample(4)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    done: list[int] = []

    def kill(stage: str, step: int, total: int) -> None:
        assert stage == "training"
        assert total == 6
        done.append(step)
        if step == 4 and len(done) == 4:
            raise KeyboardInterrupt

    def fit() -> Any:
        generator = create(GENERATORS, name, "generator", **TINY[name])
        return generator.fit(images, 1, folder=tmp_path, progress=kill)

    with pytest.raises(KeyboardInterrupt):
        fit()
    generator = fit()
    assert done == [1, 2, 3, 4, 4, 5, 6]  # step 4 was not yet in the checkpoint
    np.testing.assert_allclose(generator.sample(4), whole, atol=1.01 / 255)
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "loss.csv").read_text().startswith("step,")
    assert (tmp_path / "samples.png").stat().st_size > 100
    done.clear()
    np.testing.assert_array_equal(fit().sample(4), generator.sample(4))
    assert done == []  # a finished training is not repeated


def test_a_checkpoint_of_other_settings_images_or_seeds_is_refused(
    images: Images, tmp_path: Path
) -> None:
    tiny = TINY["vae"]
    vae.Vae(**tiny).fit(images, folder=tmp_path)
    for generator, reals, seed in (
        (vae.Vae(**tiny | {"width": 16}), images, 0),
        (vae.Vae(**tiny), images[:-1], 0),
        (vae.Vae(**tiny), images, 1),
        (gan.Gan(**TINY["gan"]), images, 0),
    ):
        with pytest.raises(InputError, match="other settings or images"):
            generator.fit(reals, seed, folder=tmp_path)


def test_a_damaged_checkpoint_is_named(images: Images, tmp_path: Path) -> None:
    vae.Vae(**TINY["vae"]).fit(images, folder=tmp_path)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match="damaged.*delete"):
        vae.Vae(**TINY["vae"]).fit(images, folder=tmp_path)


@pytest.mark.parametrize("name", TINY)
def test_images_and_options_that_do_not_fit_are_refused(name: str, images: Images) -> None:
    def fit(reals: Images, **options: Any) -> None:
        create(GENERATORS, name, "generator", **TINY[name] | options).fit(reals)

    for reals in (images[:, :31, :31], images[:, :, :16], images[:, :24, :24]):
        with pytest.raises(InputError, match="square images of 32"):
            fit(reals)
    with pytest.raises(InputError, match="2 or more training images"):
        fit(images[:1])
    with pytest.raises(InputError, match="steps"):
        fit(images, steps=0)
    with pytest.raises(InputError, match="learning_rate must be above 0"):
        fit(images, learning_rate=float("nan"))
    with pytest.raises(InputError, match="precision"):
        fit(images, precision="float16")
    for option in ("blocks", "beta", "latent"):
        if hasattr(create(GENERATORS, name, "generator"), option):
            with pytest.raises(InputError, match=option):
                fit(images, **{option: -1})
    with pytest.raises(InputError, match="samples must be 1"):
        create(GENERATORS, name, "generator", **TINY[name]).fit(images).sample(0)
    with pytest.raises(RuntimeError, match="fit"):
        create(GENERATORS, name, "generator").sample(1)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in TINY:
        monkeypatch.delitem(sys.modules, f"vestige.worlds.{name}", raising=False)
        monkeypatch.delitem(sys.modules, "vestige.nets.training", raising=False)
        with pytest.raises(InputError, match=r"needs torch: pip install 'vestige\[deep\]'"):
            create(GENERATORS, name, "generator")


def test_volumes_that_do_not_fit_are_refused() -> None:
    """Bfloat16 over three axes gives values that are not finite, so nobody gets it unasked."""
    model = vae.Vae(**TINY["vae"] | {"precision": "bfloat16"})
    with pytest.raises(InputError, match="volumes are computed in float32"):
        model.fit(np.zeros((4, 16, 16, 16), np.float32))
    with pytest.raises(InputError, match="vae takes volumes of 16, 24, 32 voxels.*20 x 20 x 20"):
        vae.Vae(**TINY["vae"]).fit(np.zeros((4, 20, 20, 20), np.float32))
    with pytest.raises(InputError, match="diffusion takes square images.*not 16 x 16:"):
        diffusion.Diffusion(**TINY["diffusion"]).fit(np.zeros((4, 16, 16, 3), np.float32))


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 3), (16, 16, 16)])
def test_images_come_back_from_their_tensors(shape: tuple[int, ...]) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, *shape))
    images = np.asarray(levels / 255, np.float32)
    tensor = tensors.to_tensor(images, torch.device("cpu"))
    form = tensors.Form(kind_of(images.shape), shape[0])
    assert tensor.shape == (3, *form.shape)
    assert tensor[0].numel() == form.values
    np.testing.assert_array_equal(tensors.to_images(tensor), images)


@pytest.mark.parametrize("axes", [2, 3])
def test_patches_become_channels_and_come_back(axes: int) -> None:
    x = torch.randn(2, 3, *[8] * axes)
    parts = tensors.to_channels(x, 2)
    assert parts.shape == (2, 3 * 2**axes, *[4] * axes)
    np.testing.assert_array_equal(tensors.from_channels(parts, 2), x)
    first = x[0, 0][tuple([slice(0, 2)] * axes)]
    np.testing.assert_array_equal(parts[0, : 2**axes].flatten(1)[:, 0], first.flatten())


def test_the_sheet_of_a_training_shows_volumes_and_colours(tmp_path: Path) -> None:
    for shape, mode in (((16, 16, 16), "L"), ((32, 32, 3), "RGB")):
        reals = np.random.default_rng(0).random((5, *shape), dtype=np.float32)
        vae.Vae(**TINY["vae"] | {"steps": 1}).fit(reals, folder=tmp_path / mode)
        with Image.open(tmp_path / mode / "samples.png") as sheet:
            assert (sheet.mode, sheet.size) == (mode, (8 * shape[0], 8 * shape[0]))


def test_a_training_that_diverges_says_so(images: Images) -> None:
    with pytest.raises(InputError, match="diverged at step"):
        vae.Vae(**TINY["vae"] | {"learning_rate": 1e30}).fit(images)


def test_the_vae_learns_to_reconstruct(images: Images) -> None:
    """The squared error of a mean image is that of variance 1; 150 steps get far below."""
    model = vae.Vae(steps=150, batch=12, width=8, latent=8, learning_rate=3e-3).fit(images)
    assert model.net_ is not None
    x = tensors.to_tensor(images, torch.device("cpu"))
    with torch.no_grad():
        back = model.net_.decode(model.net_.encode(x)[0])
    assert float(((back - x) ** 2).mean()) < 0.3 * float((x - x.mean(dim=0)).pow(2).mean())


def test_the_diffusion_model_learns(images: Images) -> None:
    """v has unit variance per pixel at random times: a loss well below 1 is learning."""
    model = diffusion.Diffusion(steps=60, batch=8, width=8, learning_rate=2e-3).fit(images)
    assert float(model.figures["loss_loss"]) < 0.7


def test_the_gan_moves_towards_the_reals(images: Images) -> None:
    """Mean and spread of the samples come closer to those of the reals than before training."""
    flat = images * 0.2 + 0.1  # dark reals, so that a mean of 0.5 is wrong

    def distance(steps: int) -> float:
        model = gan.Gan(steps=steps, batch=4, width=2, latent=4, augment=False, average=0.8)
        model.learning_rate = model.critic_rate = 1e-3
        return float(abs(model.fit(flat).sample(64).mean() - flat.mean()))

    assert distance(80) < 0.5 * distance(1)


def test_ddim_with_the_exact_v_returns_the_only_image() -> None:
    target = torch.linspace(-0.9, 0.9, 32 * 32).reshape(1, 1, 32, 32)

    class Oracle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.anchor = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: Any, time: Any) -> Any:
            signal, spread = diffusion._schedule(time)
            noise = (x - signal * target) / spread
            return signal * noise - spread * target

    model = diffusion.Diffusion(sampling_steps=7)
    model.net_, model.form_ = Oracle(), tensors.Form("grey", 32)
    wanted = tensors.to_images(target)[0]
    for sample in model.sample(3):
        np.testing.assert_allclose(sample, wanted, atol=1.01 / 255)


def test_the_cosine_schedule_keeps_the_variance_and_falls() -> None:
    signal, spread = diffusion._schedule(torch.linspace(0, 1, 50))
    np.testing.assert_allclose((signal**2 + spread**2).flatten(), 1, atol=1e-6)
    assert (signal.flatten().diff() < 0).all()
    assert float(signal[0].flatten()) > 0.999
    assert 0 < float(signal[-1].flatten()) < 0.02


def test_the_weight_average_follows_by_its_formula() -> None:
    average, net = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        average.weight.fill_(0)
        net.weight.fill_(1)
    expected = 0.0
    for step in range(200):
        training.ema_update(average, net, 0.9, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
    assert float(average.weight.detach()) == pytest.approx(expected, rel=1e-5)


def test_spectral_norm_bounds_every_layer_of_the_discriminator() -> None:
    torch.manual_seed(0)
    critic = gan.make_discriminator(32, 4)
    for _ in range(30):  # power iteration runs in training mode
        critic(torch.randn(1, 1, 32, 32))
    layers = [m for m in critic.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 11
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert float(largest) == pytest.approx(1, abs=0.05)


def test_augmentation_moves_and_blanks_all_channels_alike() -> None:
    grey = torch.rand(8, 1, 32, 32)
    out = gan.augment(grey.expand(8, 3, 32, 32), torch.Generator().manual_seed(0))
    one = gan.augment(grey, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(out, one.expand(8, 3, 32, 32), atol=1e-6)


def test_augmentation_is_differentiable_and_each_image_has_its_own() -> None:
    x = torch.full((64, 1, 32, 32), 0.5, requires_grad=True)
    out = gan.augment(x, torch.Generator().manual_seed(0))
    assert out.shape == x.shape
    out.sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().mean()) > 0.3
    blank = (out == 0).float().mean(dim=(1, 2, 3))
    assert float(blank.max()) <= 0.25 + 0.27  # a quarter, and the edge that a shift uncovers
    assert len({round(float(v), 4) for v in out.detach().amax(dim=(1, 2, 3))}) > 32


def test_a_shift_is_at_most_an_eighth_and_all_shifts_come() -> None:
    share = torch.linspace(0, 1 - 1e-6, 500)
    rows = gan._moved(32, share, 4)  # of the image with one row of padding at either side
    shifts = rows[:, 16] - 17
    assert sorted(set(shifts.tolist())) == list(range(-4, 5))
    assert rows.min() == 0
    assert rows.max() == 33


def test_the_hole_is_a_window_of_at_most_half_the_side() -> None:
    inside = gan._inside(32, torch.linspace(0, 1 - 1e-6, 500))
    lengths = inside.sum(dim=1)
    assert lengths.max() == 16
    assert lengths.min() >= 8
    assert (inside.int().diff(dim=1).abs().sum(dim=1) <= 2).all()  # one piece


def test_bfloat16_is_chosen_only_where_the_processor_computes_in_it() -> None:
    cpu = torch.device("cpu")
    assert training.find_precision(cpu, "bfloat16") is torch.bfloat16
    assert training.find_precision(cpu, "float32") is torch.float32
    group_index = training._has_bfloat16_units()
    chosen = training.find_precision(cpu)
    assert chosen is torch.float32 or group_index


@pytest.mark.parametrize("name", TINY)
def test_bfloat16_trains_too(name: str, images: Images) -> None:
    options = TINY[name] | {"steps": 2, "precision": "bfloat16"}
    model = create(GENERATORS, name, "generator", **options).fit(images)
    assert model.figures["precision"] == "bfloat16"
    assert np.isfinite(model.sample(2)).all()
