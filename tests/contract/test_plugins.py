"""Detectors and generators of other packages: objects, and plug-ins by entry point."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

import vestige
from reference_worlds import reference_world
from small_audits import small
from vestige import AuditResult, InputError
from vestige.auditing.options import read_options
from vestige.cli.main import main
from vestige.detectors import DETECTORS
from vestige.detectors.plugins import find_detector
from vestige.features.pixels import as_images
from vestige.registry.contract import ContractError
from vestige.release.repeat import check_result
from vestige.report import redact
from vestige.types import Floats, Images
from vestige.worlds.build import build_world
from vestige.worlds.record import Recipe

MINE = '''
from dataclasses import dataclass, field
from typing import Any
import numpy as np
from vestige.detectors import DetectorEntry, NearestDistance
from vestige.features.pixels import as_images
print("the code of mine ran")

def rows(images):
    levels = as_images(images)
    return levels.reshape(len(levels), -1).astype(float)

@dataclass
class Mine:
    """Minus the distance to the nearest generated image."""
    k: int = 1
    rows_: Any = field(init=False, default=None, repr=False, compare=False)
    def fit(self, generated, used=None, unused=None):
        self.rows_ = rows(generated)
        return self
    def score_samples(self, images):
        far = ((rows(images)[:, None] - self.rows_) ** 2).sum(axis=-1)
        return -np.sort(far, axis=1)[:, :self.k].mean(axis=1)

class Narrow(Mine):
    def score_samples(self, images):
        return super().score_samples(images).astype(np.float32)
class Short(Mine):
    def score_samples(self, images):
        return super().score_samples(images)[1:]
class Lost(Mine):
    def score_samples(self, images):
        return np.append(super().score_samples(images)[1:], np.nan)
class Ranks(Mine):
    def score_samples(self, images):
        return super().score_samples(images).argsort().argsort().astype(float)
class Cohort(Mine):
    def score_pool(self, pool, groups=None):
        return np.cumsum(self.score_samples(pool))
class Writes(Mine):
    def score_samples(self, images):
        images *= 2
        return super().score_samples(images)
class Other(Mine):
    def fit(self, generated, used=None, unused=None):
        super().fit(generated)
class Plain:
    pass
ENTRY = DetectorEntry("nearest, twice as heavy", NearestDistance, weight=2.0, views=True)

@dataclass
class Average:
    """The mean of training images, with noise."""
    noise: float = 0.1
    mean_: Any = field(init=False, default=None, repr=False, compare=False)
    @property
    def figures(self):
        return {"level": float(self.mean_.mean())}
    def fit(self, images, seed=0, *, strangers=None, folder=None, progress=None):
        self.mean_ = images.mean(axis=0)
        return self
    def sample(self, m, seed=0):
        noise = np.random.default_rng(seed).normal(0, self.noise, (m, *self.mean_.shape))
        return np.clip(self.mean_ + noise, 0, 1).astype(np.float32)
class Wide(Average):
    def sample(self, m, seed=0):
        return super().sample(m, seed).astype(float)
'''
POINTS = """
[vestige.detectors]
mine = mine:Mine
entry = mine:ENTRY
narrow = mine:Narrow
short = mine:Short
lost = mine:Lost
ranks = mine:Ranks
cohort = mine:Cohort
writes = mine:Writes
other = mine:Other
plain = mine:Plain
gone = mine:Gone
nowhere = no_such_module:Gone
mean_rank = mine:Mine
matched_filter_pool_32 = mine:Mine

[vestige.generators]
average = mine:Average
wide = mine:Wide
vae = mine:Average
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


def install(site: Path, monkeypatch: pytest.MonkeyPatch, version: str = "1.2") -> Path:
    held = site / "mine_package-1.2.dist-info"
    held.mkdir(parents=True, exist_ok=True)
    (held / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mine-package\nVersion: {version}")
    (held / "entry_points.txt").write_text(POINTS)
    (site / "mine.py").write_text(MINE)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.syspath_prepend(site)
    return site


def images(name: str = "copy") -> dict[str, Images]:
    world = reference_world(name, 0)
    parts = {"generated": world.generated[:80], "used": world.used[:25]}
    return {role: small(part) for role, part in (parts | {"unused": world.unused[:25]}).items()}


def ask(*detectors: Any, **options: Any) -> AuditResult:
    return vestige.audit(**images(), detectors=detectors, checks=False, **options)


def rows(images: Any) -> Floats:
    levels = as_images(images)
    return levels.reshape(len(levels), -1).astype(np.float64)


@dataclass
class Nearest:
    k: int = 1
    weights: Any = None
    rows_: Any = field(init=False, default=None, repr=False, compare=False)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        self.rows_ = rows(generated)
        return self

    def score_samples(self, images: Any) -> Floats:
        far = ((rows(images)[:, np.newaxis] - self.rows_) ** 2).sum(axis=-1)
        return -np.sort(far, axis=1)[:, : self.k].mean(axis=1)


def test_an_object_is_a_detector_beside_named_ones() -> None:
    mine = Nearest()
    result = ask(mine, "mean_rank", Nearest(3, weights=Path("w")))
    assert list(result.findings[0].columns) == ["Nearest", "mean_rank", "Nearest_2"]
    assert mine.rows_ is None  # copies are fitted
    by_name = ask("nearest_distance", options={"nearest_distance": {"views": "none"}})
    mine_alone = ask(mine)
    assert [f.score for f in mine_alone.findings] != []
    order = [np.argsort([f.score for f in r.findings]).tolist() for r in (mine_alone, by_name)]
    assert order[0] == order[1]  # one method, written twice
    origins = result.manifest.options["origins"]
    assert list(origins) == ["Nearest", "Nearest_2"]
    assert origins["Nearest"]["path"].endswith("test_plugins:Nearest")
    assert origins["Nearest_2"]["options"]["k"] == 3
    assert "Path('w')" in origins["Nearest_2"]["options"]["weights"]
    json.loads(result.to_json())


def test_an_object_runs_under_all_controls_and_not_from_the_cache(tmp_path: Path) -> None:
    asked = {"detectors": [Nearest()], "cache": tmp_path / "c"}
    result = vestige.audit(**images(), **asked)
    assert {c.name: c.state for c in result.checks}["planted"] == "passed"

    class Other(Nearest):
        def score_samples(self, images: Any) -> Floats:
            return -super().score_samples(images)

    Other.__name__ = "Nearest"
    again = vestige.audit(**images(), **(asked | {"detectors": [Other()]}))
    found = [r.findings[0].columns["Nearest"] for r in (result, again)]
    assert found[0] == -found[1] != 0


def test_a_result_with_an_object_is_read_and_not_repeated(tmp_path: Path) -> None:
    ask(Nearest()).save(tmp_path)
    result = AuditResult.load(tmp_path / "result.json")
    made = read_options(result.manifest)
    for work in (lambda: made.asked(0), lambda: vestige.scrub(with_controls(result), **images())):
        with pytest.raises(InputError, match=r"rests on Nearest, an object of .*:Nearest.*plug-in"):
            work()
    assert redact(result).manifest.options["origins"] == "[removed]"


def with_controls(result: AuditResult) -> AuditResult:
    """As `vestige.audit` gives it with checks: `scrub` looks for one."""
    from dataclasses import replace

    from vestige.schema.records import Check

    planted = Check("planted", None, None, True, "nothing")
    return replace(result, checks=(*result.checks, planted))


class NotADetector:
    def score_samples(self, images: Any) -> Floats:
        return np.zeros(len(images))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (NotADetector(), r"'NotADetector' breaks rule D1 .*: NotADetector has no fit"),
        (Nearest, "Nearest is a class: give an object of it"),
    ],
)
def test_what_is_no_detector_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ask(given)


@pytest.mark.parametrize("name", ["mine", "entry"])
def test_a_plugin_is_a_detector_by_name(installed: Path, name: str) -> None:
    result = ask(name)
    assert list(result.findings[0].columns) == [name]
    origin = result.manifest.options["origins"][name]
    wanted = ("mine-package", "1.2", True, "mine:Mine" if name == "mine" else "mine:ENTRY")
    assert (*(origin[k] for k in ("package", "version", "plugin", "path")),) == wanted
    assert result.manifest.options["weights"] == {name: 1.0 if name == "mine" else 2.0}


def test_a_plugin_takes_options(installed: Path, tmp_path: Path) -> None:
    assert vestige.audit(
        **images(), detectors=["mine"], options={"mine": {"k": 2}}, checks=False
    ).manifest.options["detector_options"] == {"mine": {"k": 2}}
    with pytest.raises(InputError, match="detector 'mine' does not take these options"):
        ask("mine", options={"mine": {"q": 2}})


def test_auto_takes_no_plugin_and_imports_none(installed: Path) -> None:
    names = {c for f in ask("auto", effort="low").findings for c in f.columns}
    assert not names & {"mine", "entry"}
    assert "mine" not in sys.modules


def test_the_list_shows_plugins_and_runs_none(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["list", "detectors"])
    said = capsys.readouterr().out
    assert caught.value.code == 0
    assert "plug-in mine:Mine of mine-package 1.2" in said
    assert "mean_rank (refused)" in said
    assert all(f"\n{name} " in f"\n{said}" for name in DETECTORS)
    with pytest.raises(SystemExit):
        main(["list", "generators", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["average"] == "plug-in mine:Average of mine-package 1.2"
    assert "takes the name of a built-in" in told["vae (refused)"]
    assert "mine" not in sys.modules


BROKEN = {
    "narrow": "D3 .*float32",
    "short": "D3 .*float64",
    "lost": "D3 .*1 of 50 scores are not finite",
    "ranks": "D4 ",
    "cohort": "D5 ",
    "writes": "D2 .*ValueError",
    "other": "D2 .*fit returned something else",
    "plain": "D1 .*Plain has no fit",
    "gone": "D1 .*AttributeError",
    "nowhere": "D1 .*ModuleNotFoundError",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_with_the_rule(installed: Path, name: str) -> None:
    said = rf"detector '{name}' \(\w+:\w+ of mine-package 1.2\) breaks rule {BROKEN[name]}"
    with pytest.raises(ContractError, match=said) as caught:
        ask(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["narrow", "nowhere"])
def test_a_broken_plugin_ends_a_command_with_one_line(
    installed: Path, name: str, tmp_path: Path
) -> None:
    for role, pixels in images().items():
        (tmp_path / role).mkdir()
        for k, image in enumerate(pixels):
            np.save(tmp_path / role / f"{k}.npy", image)
    asked = [f"--{role}={tmp_path / role}" for role in images()]
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); " + (
        "from vestige.cli.main import main; main(sys.argv[1:])"
    )
    words = ["audit", *asked, "--detector", name, "--out", str(tmp_path / "o"), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert f"detector '{name}' (" in line
    assert "breaks rule D" in line


@pytest.mark.parametrize("name", ["mean_rank", "matched_filter_pool_32"])
def test_a_plugin_with_the_name_of_ours_is_refused(installed: Path, name: str) -> None:
    said = rf"the plug-in '{name}' \(mine:Mine of mine-package 1.2\) takes the name of a built-in"
    with pytest.raises(InputError, match=said):
        ask(name)


def test_two_plugins_of_one_name_are_refused(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "more" / "theirs-3.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 3")
    (other / "entry_points.txt").write_text("[vestige.detectors]\nmine = theirs:Mine\n")
    monkeypatch.syspath_prepend(tmp_path / "more")
    with pytest.raises(InputError, match="two plug-ins are named 'mine', .*mine-package 1.2 and"):
        find_detector("mine")


def test_a_misspelt_plugin_gets_a_hint(installed: Path) -> None:
    with pytest.raises(InputError, match="unknown detector 'minee'. Did you mean 'mine'"):
        ask("minee")


def test_a_result_with_a_plugin_is_repeated_with_the_same_version_only(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = with_controls(ask("mine"))
    assert check_result(result).asked(0).detectors == ("mine",)
    install(tmp_path / "newer", monkeypatch, version="1.3")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(installed)])
    with pytest.raises(InputError, match=r"rests on the plug-in mine \(.* 1.2\), found .* 1.3:"):
        check_result(result)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "newer" not in p])
    with pytest.raises(InputError, match="unknown detector 'mine'"):
        check_result(result)


@pytest.fixture
def reals(tmp_path: Path) -> str:
    (tmp_path / "reals").mkdir()
    np.save(tmp_path / "reals" / "all.npy", small(reference_world("null", 0).reference[:60]))
    return str(tmp_path / "reals")


def recipe(generator: str, reals: str, **more: Any) -> Recipe:
    return Recipe(generator=generator, images=reals, members=10, samples=12, size=16, **more)


def test_a_generator_is_a_plugin_by_name(installed: Path, reals: str, tmp_path: Path) -> None:
    record = build_world(recipe("average", reals, options={"noise": 0.2}), tmp_path / "w")
    assert record.versions["generator"] == "mine:Average"
    assert record.versions["mine-package"] == "1.2"
    assert record.counts["generated"] == 12
    assert "level" in record.figures


def test_a_generator_is_an_object(installed: Path, reals: str, tmp_path: Path) -> None:
    import mine

    made = mine.Average(0.3)
    record = build_world(recipe("mean_of_all", reals), tmp_path / "w", generator=made)
    assert (record.recipe.generator, record.recipe.options) == ("mean_of_all", {"noise": 0.3})
    assert record.versions["generator"] == "mine:Average"
    assert made.mean_ is None  # a copy was trained
    again = build_world(recipe("mean_of_all", reals), tmp_path / "w", generator=made)
    assert again == record
    with pytest.raises(InputError, match="give it a name that no built-in generator has"):
        build_world(recipe("vae", reals), tmp_path / "v", generator=made)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wide", r"generator 'wide' \(mine:Wide of mine-package 1.2\) breaks rule G3 .*float64"),
        ("vae", "the plug-in 'vae' .* takes the name of a built-in generator"),
        ("averag", "unknown generator 'averag'. Did you mean 'average'"),
    ],
)
def test_a_broken_generator_is_named(
    installed: Path, reals: str, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        build_world(recipe(name, reals), tmp_path / "w")
