"""Where the work is done: in processes of this machine, with a GPU or without, or on a cluster."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext

from vestige.engine.machine import cores
from vestige.products.product import made_by
from vestige.registry.entries import InputError, RegistryEntry, choose

MOST_PROCESSES = 1024
DEVICE = "cuda"
"""As torch calls it; tests put another in its place."""


def _local(argument: str) -> AbstractContextManager[Executor | None]:
    from vestige.engine.processes import Processes

    try:
        workers = int(argument) if argument else cores()
    except ValueError:
        workers = 0
    if not 1 <= workers <= MOST_PROCESSES:
        raise InputError(
            f"engine local:N needs a number of processes from 1 to {MOST_PROCESSES}, "
            f"not {argument!r:.40}."
        )
    return nullcontext() if workers == 1 else Processes(workers)


@contextmanager
def _cuda(argument: str) -> Iterator[Executor | None]:
    if argument and not (argument.isascii() and argument.isdigit() and len(argument) < 4):
        raise InputError(
            f"engine cuda:N needs the number of a device, as in cuda:0, not {argument!r:.40}."
        )
    try:
        from vestige.products.on_device import open_device
    except ImportError as error:
        raise InputError("engine cuda needs torch: pip install 'vestige[deep]'") from error
    name = f"{DEVICE}:{argument}" if argument else DEVICE
    with open_device(name) as maker, made_by(maker), _local("") as executor:
        yield executor


def _dask(argument: str) -> AbstractContextManager[Executor | None]:
    from vestige.engine.cluster import Cluster

    return Cluster(argument)


ENGINES: dict[str, RegistryEntry[AbstractContextManager[Executor | None]]] = {
    "local": RegistryEntry("processes of this machine: local (all cores) or local:N", _local),
    "dask": RegistryEntry(
        "a running Dask cluster: dask:tcp://host:port or tls://", _dask, extra="cluster"
    ),
    "cuda": RegistryEntry(
        "as local, with large matrix products on an NVIDIA GPU: cuda or cuda:N", _cuda, extra="deep"
    ),
}


@contextmanager
def open_executor(spec: str = "local") -> Iterator[Executor | None]:
    """Open "local", "local:N", "cuda", "cuda:N" or "dask:ADDRESS"; None means: in this process.

    Raises
    ------
    InputError
        Unknown engine, no scheduler at the address, no device or no torch.
    """
    name, _, argument = spec.partition(":")
    with choose(ENGINES, name, "engine").factory(argument) as executor:
        yield executor


def of_held_images(spec: str) -> str:
    """The engine for images that are read already: that of the products alone."""
    return spec if spec.partition(":")[0] == "cuda" else "local"
