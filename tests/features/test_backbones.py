"""Networks as feature spaces: weights that fit or one clear line, rows that ignore company."""

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from vestige.features import BACKBONES, build_backbone  # noqa: E402
from vestige.features.backbones import Backbone, network, tapped, trunk, width  # noqa: E402
from vestige.images.reading import read_images  # noqa: E402
from vestige.registry.entries import InputError, create  # noqa: E402

SQUEEZENET = (
    Path(__file__).resolve().parents[3] / "shared/weights/squeezenet1_1_imagenet.safetensors"
)
with_weights = pytest.mark.skipif(not SQUEEZENET.exists(), reason="no squeezenet weights here")
IMAGES = np.random.default_rng(0).random((7, 40, 40), dtype=np.float32)
# pooled features, and millions of parameters without the classifier
WIDTHS = {
    "resnet50": (2048, 23.508),
    "efficientnet_b2": (1408, 7.701),
    "efficientnet_b5": (2048, 28.341),
    "densenet161": (2208, 26.472),
    "vit_b_16": (768, 85.799),
    "vit_l_16": (1024, 303.302),
    "squeezenet1_1": (512, 0.722),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**options: Any) -> Backbone:
    settings = {"weights": "none", "size": 48, "batch": 4, "precision": "float32"} | options
    return Backbone("squeezenet1_1", **settings)


@pytest.mark.parametrize("name", WIDTHS)
def test_each_backbone_has_its_width_and_parameters(name: str) -> None:
    features, millions = WIDTHS[name]
    assert f"{features} values" in BACKBONES[name].summary
    with torch.device("meta"):  # shapes only
        net = trunk(name, "none")
    assert net.width == features
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=1e-3)


def test_the_table_lists_every_backbone() -> None:
    assert list(WIDTHS) == list(BACKBONES)
    assert width("squeezenet1_1") == 512


def test_maps_and_tokens_have_their_shapes() -> None:
    with torch.device("meta"):
        pooled, tokens = trunk("vit_b_16", "none")(torch.rand(1, 3, 224, 224))
        assert (pooled.shape, tokens.shape) == ((1, 768), (1, 196, 768))
        maps = tapped(trunk("resnet50", "none"), torch.rand(1, 3, 224, 224), (2, 3, 4))
        assert [m.shape[1:] for m in maps] == [(512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


def test_taps_beyond_the_depth_are_refused_with_the_depth() -> None:
    with torch.device("meta"):
        vit, x = trunk("vit_b_16", "none"), torch.rand(1, 3, 224, 224)
        assert len(tapped(vit, x, (3, 12))) == 2
        for taps in [(13,), (6, 12, 18), (0, 1), (4, 4), (8, 4), ()]:
            with pytest.raises(InputError, match=r"within 1\.\.12 \(the depth\)"):
                tapped(vit, x, taps)


def test_the_last_tap_of_a_vit_is_what_its_norm_gives_out() -> None:
    vit = trunk("tiny_vit", "none", size=32)
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        last = tapped(vit, x, (vit.depth,))[0]
        torch.testing.assert_close(vit.last_norm(last)[:, 0], vit(x)[0])


def test_features_ignore_the_company_and_the_order_to_the_last_bit() -> None:
    backbone = small().fit(IMAGES)
    rows = backbone.transform(IMAGES)
    assert rows.dtype == np.float32
    assert rows.shape == (7, 512)
    assert np.ptp(rows, axis=0).max() > 0
    np.testing.assert_array_equal(backbone.transform(IMAGES[5:6]), rows[5:6])
    np.testing.assert_array_equal(backbone.transform(IMAGES[::-1]), rows[::-1])


def test_features_are_those_of_the_plain_network() -> None:
    net = network("squeezenet1_1", "none", seed=3)
    grey = torch.from_numpy(IMAGES)[:, None].repeat(1, 3, 1, 1)
    x = torch.nn.functional.interpolate(grey, (48, 48), mode="bilinear", antialias=True)
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        wanted = net.features((x - mean[:, None, None]) / sd[:, None, None]).mean((2, 3))
    found = small(seed=3).transform(IMAGES)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_random_weights_repeat_by_seed_and_are_named_so() -> None:
    rows = small(seed=1).transform(IMAGES)
    np.testing.assert_array_equal(small(seed=1).transform(IMAGES), rows)
    assert (small(seed=2).transform(IMAGES) != rows).any()
    assert small(seed=1).summary == "squeezenet1_1 with random weights (seed 1)"


def test_chance_elsewhere_goes_on_as_before() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    small().load()
    assert torch.equal(torch.rand(3), wanted)


def test_tokens_average_to_the_pooled_features() -> None:
    pooled, tokens = small(size=64).tokens(IMAGES)
    assert tokens.dtype == np.float16
    np.testing.assert_allclose(tokens.astype(float).mean(axis=1), pooled, rtol=2e-2, atol=1e-3)


def test_survives_pickling_with_its_weights() -> None:
    backbone = small().fit(IMAGES)
    copy = pickle.loads(pickle.dumps(backbone))  # noqa: S301
    assert copy == backbone
    np.testing.assert_array_equal(copy.transform(IMAGES), backbone.transform(IMAGES))


def test_kept_rows_come_back_and_belong_to_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = small(cache=tmp_path).transform(IMAGES)
    other = small(cache=tmp_path, seed=1).transform(IMAGES)
    assert (other != rows).any()

    def fail(*arguments: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(Backbone, "_forward", fail)
    np.testing.assert_array_equal(small(cache=tmp_path).transform(IMAGES), rows)
    with pytest.raises(AssertionError, match="computed again"):
        small(cache=tmp_path, size=56).transform(IMAGES)


@with_weights
@pytest.mark.parametrize(
    ("picture", "classes"), [("chelsea.png", {281, 282, 285}), ("coffee.png", {504, 967, 969})]
)
def test_imagenet_weights_give_the_class_of_a_picture(picture: str, classes: set[int]) -> None:
    import skimage

    path = Path(skimage.__file__).parent / "data" / picture
    if not path.exists():
        pytest.skip(f"scikit-image came without {picture}")
    with Image.open(path) as opened:
        side = min(opened.size)
        left, top = (opened.width - side) // 2, (opened.height - side) // 2
        square = opened.convert("RGB").crop((left, top, left + side, top + side))
    x = torch.from_numpy(np.array(square.resize((224, 224)), np.float32) / 255).permute(2, 0, 1)
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    net = network("squeezenet1_1", str(SQUEEZENET))
    with torch.no_grad():
        logits = net(((x - mean[:, None, None]) / sd[:, None, None])[None])
    assert int(logits.argmax()) in classes


@with_weights
def test_a_palette_and_an_rgb_copy_have_the_same_features(tmp_path: Path) -> None:
    grey = Image.fromarray(np.round(IMAGES[0] * 255).astype(np.uint8))
    for name, copy in {
        "grey": grey,
        "rgb": grey.convert("RGB"),
        "palette": grey.convert("P"),
    }.items():
        (tmp_path / name).mkdir()
        copy.save(tmp_path / name / "x.png")
    backbone = small(weights=str(SQUEEZENET))
    rows = [
        backbone.transform(read_images(tmp_path / name, role="query", size=40).pixels)
        for name in ("grey", "rgb", "palette")
    ]
    np.testing.assert_array_equal(rows[1], rows[0])
    np.testing.assert_array_equal(rows[2], rows[0])


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return dict(network("squeezenet1_1", "none", seed=9).state_dict())


def wrapped(state: dict[str, Any], path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)


def headless(state: dict[str, Any], path: Path) -> None:
    save_file({k: v for k, v in state.items() if not k.startswith("classifier")}, path)


WRITERS: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "safetensors": save_file,
    "torch": torch.save,
    "old torch": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "wrapped": wrapped,
    "headless": headless,
}


@pytest.mark.parametrize("form", WRITERS)
def test_weights_come_from_files_of_every_form(
    form: str, state: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    WRITERS[form](state, path)
    wanted = small(seed=9).transform(IMAGES[:2])
    np.testing.assert_array_equal(small(weights=str(path)).transform(IMAGES[:2]), wanted)


@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch"])
@pytest.mark.parametrize("kept", [0, 1, 1000, -100])
def test_truncated_weights_are_one_line(
    form: str, kept: int, state: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    WRITERS[form](state, path)
    path.write_bytes(path.read_bytes()[:kept])
    refuse(path, "weights .* are truncated or damaged")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("form", ["module", "trap in a zip", "bare pickle"])
def test_a_pickle_that_is_no_state_dict_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    if form == "module":
        torch.save(torch.nn.Linear(2, 2), path)
    elif form == "trap in a zip":
        torch.save({"a": Trap(sprung)}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Trap(sprung)}))
    refuse(path, "a pickle that is not a plain state dict: refused")
    assert not sprung.exists()


@pytest.mark.parametrize("content", [{"a": 3}, [1, 2], {}, {1: torch.zeros(1)}])
def test_a_file_without_tensors_by_name_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    refuse(tmp_path / "w.pt", "hold no state dict")


def test_weights_of_another_architecture_are_counted(state: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    body = {k: v for k, v in state.items() if not k.startswith("classifier")}
    other = dict(list(body.items())[2:]) | {"layer1.weight": torch.zeros(2)}
    other["features.3.squeeze.bias"] = torch.zeros(5)
    save_file(other, path)
    refuse(
        path,
        f"not those of squeezenet1_1: of its {len(body)} tensors 2 are missing and 1 have another "
        "shape; 1 are unexpected",
    )


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    refuse(tmp_path / "none.pt", "cannot read weights .*none.pt: No such file")
    refuse(tmp_path, "cannot read weights .*: it is not a regular file")


def refuse(path: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        small(weights=str(path)).load()
    assert "\n" not in str(caught.value)


def test_nothing_is_downloaded_unless_asked_and_a_failure_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "create_connection", offline)
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    small().load()
    with pytest.raises(InputError, match="cannot get the ImageNet weights of squeezenet1_1") as e:
        small(weights="imagenet").load()
    assert "\n" not in str(e.value)


def test_any_other_timm_name_works() -> None:
    pytest.importorskip("timm")
    backbone = Backbone("resnet10t", "none", size=32, batch=2)
    pooled, tokens = backbone.tokens(IMAGES[:3])
    assert pooled.shape == (3, 512)
    assert tokens.shape == (3, 1, 512)
    tiny = Backbone("vit_tiny_patch16_224", "none", size=32, batch=2)
    assert [part.shape for part in tiny.tokens(IMAGES[:3])] == [(3, 192), (3, 4, 192)]


def test_position_codes_are_interpolated_to_another_size(tmp_path: Path) -> None:
    from vestige.nets.networks import _fill

    with torch.device("cpu"):
        from torchvision.models import VisionTransformer

        made = [VisionTransformer(side, 16, 2, 2, 32, 64) for side in (64, 32)]
    _fill(made[1], made[0].state_dict(), "vit_b_16", "made here")
    assert made[1].encoder.pos_embedding.shape == (1, 5, 32)
    torch.testing.assert_close(made[1].conv_proj.weight, made[0].conv_proj.weight)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("resnet5", {}, "unknown backbone 'resnet5'"),
    ("vit_b_16", {"size": 40}, "multiple of 16"),
    ("squeezenet1_1", {"size": 16}, "size of 32 px or more, not 16"),
    ("squeezenet1_1", {"precision": "float8"}, "precision must be auto, float32 or bfloat16"),
    ("squeezenet1_1", {"batch": 0}, "batch must be 1 or more"),
    ("tiny", {"weights": "imagenet"}, "tiny is for tests and has no weights"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD)
def test_bad_options_are_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_backbone(name, **({"weights": "none"} | options)).fit(IMAGES)
    assert "\n" not in str(caught.value)


def test_images_smaller_than_the_patch_are_one_line() -> None:
    backbone = build_backbone("tiny_vit", weights="none", size=32)
    assert len(backbone.transform(IMAGES[:2])) == 2
    with pytest.raises(InputError, match=r"images of 6 x 40 px are smaller than one patch .*8 px"):
        backbone.transform(IMAGES[:2, :, :6])


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "vestige.features.backbones")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"'resnet50' needs torch: pip install 'vestige\[deep\]'"):
        create(BACKBONES, "resnet50", "backbone")
