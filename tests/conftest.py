"""Settings for the whole suite: choices are seeded, slow machines are no fault, nothing leaves."""

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases" / "sets"
LONG = ("contract/", "story/", "protocols/", "faults/", "measures/")
"""Where the longest tests are. With a worker for each core, one that began last would run alone."""
TRIED: list[str] = []
"""Every attempt to reach another machine, even one whose failure was swallowed."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of `LONG` first, otherwise in the order of the files."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(LONG))


def is_here(host: object) -> bool:
    """Whether an address or a name is of this machine alone."""
    if host in ("localhost", "", None, socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(what: str) -> None:
    TRIED.append(what)
    raise AssertionError(f"the suite may not reach the network: {what}")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Sockets reach loopback and Unix sockets only, in this process; names are not looked up."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            whole = getattr(socket.socket, name)

            def guarded(self: Any, *arguments: Any, whole: Any = whole, name: str = name) -> Any:
                address = arguments[-1]
                inside = isinstance(address, tuple) and is_here(address[0])
                # no packet: Dask asks the system in this way for the machine's own address
                inside |= name == "connect" and self.type == socket.SOCK_DGRAM
                if self.family != socket.AF_UNIX and not inside:
                    _refuse(f"{name} {address}")
                return whole(self, *arguments)

            patch.setattr(socket.socket, name, guarded)
        for name in ("getaddrinfo", "gethostbyname"):
            asked = getattr(socket, name)

            def looked_up(
                host: Any, *more: Any, asked: Any = asked, name: str = name, **options: Any
            ) -> Any:
                if not (is_here(host) or _is_number(host)):
                    _refuse(f"{name} {host}")
                return asked(host, *more, **options)

            patch.setattr(socket, name, looked_up)
        yield


def _is_number(host: object) -> bool:
    try:
        return bool(ipaddress.ip_address(str(host).partition("%")[0]))
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def attempts(_no_network: None) -> Iterator[list[str]]:
    """Attempts to reach another machine in this test; one left at its end is a failure."""
    TRIED.clear()
    yield TRIED
    assert not TRIED, TRIED


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of small sets that once showed faults of whole runs; see `CASES`/README."""
    if not (CASES / "make.py").exists():
        pytest.skip(f"the case sets are not at {CASES}")
    pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, CASES / "make.py", folder], check=True)
    return folder / "png"
