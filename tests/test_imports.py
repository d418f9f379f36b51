"""What is imported before it is needed: nothing heavy. Modules are counted, not seconds."""

import subprocess
import sys

import pytest

import vestige

HEAVY = {
    *("scipy", "PIL", "matplotlib", "jinja2", "tifffile", "threadpoolctl", "pandas"),
    *("skimage", "pywt", "torch", "torchvision", "timm", "faiss", "dask", "distributed", "fsspec"),
    *("pydicom", "nibabel", "sklearn"),
}
COMMAND = "from vestige.cli.main import main; main({})"
LISTS = (
    *("detectors", "backbones", "generators", "formats", "engines", "measures", "protocols"),
    *("efforts", "views"),
)


def modules(code: str) -> set[str]:
    """The modules that a new interpreter has loaded after this code, ended or not."""
    told = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nprint('\\n'+' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def packages(loaded: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded}


def test_import_vestige_loads_two_modules_of_its_own_and_no_library() -> None:
    loaded = modules("import vestige")
    assert {name for name in loaded if name.startswith("vestige")} == {"vestige", "vestige.version"}
    assert not packages(loaded) & (HEAVY | {"numpy", "typer", "rich"})


@pytest.mark.parametrize("given", [["--version"], ["--help"], ["audit", "--help"]], ids=str)
def test_version_and_help_load_the_command_line_only(given: list[str]) -> None:
    loaded = modules(COMMAND.format(given))
    assert "vestige.cli.audit" in loaded
    assert not packages(loaded) & (HEAVY | {"numpy"})
    assert not {"vestige.auditing.audit", "vestige.result", "vestige.detectors"} & loaded


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_loads_no_library(kind: str) -> None:
    loaded = modules(COMMAND.format(["list", kind]))
    assert "vestige.cli.audit" in loaded
    assert not packages(loaded) & (HEAVY - {"scipy", "PIL"})
    assert not {"scipy.stats", "scipy.optimize"} & loaded


def test_an_audit_imports_no_slow_library_until_it_needs_it() -> None:
    loaded = modules("from vestige import audit, scrub, train, AuditResult, Watch")
    assert "vestige.auditing.audit" in loaded
    assert "scipy.stats" not in loaded
    assert not packages(loaded) & (HEAVY - {"scipy", "PIL"})


def test_every_public_name_is_there_on_demand() -> None:
    for name in vestige.__all__:
        found = getattr(vestige, name)
        assert found is getattr(vestige, name)
        assert getattr(found, "__name__", name).rpartition(".")[2] == name
    assert dir(vestige) == sorted(vestige.__all__)
    modules(f"import vestige; assert all(hasattr(vestige, n) for n in {vestige.__all__})")


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'vestige' has no attribute 'audits'"):
        _ = vestige.audits  # type: ignore[attr-defined]
