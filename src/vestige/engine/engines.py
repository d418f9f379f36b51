"""Where shards are computed: in processes of this machine, or on a Dask cluster."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext

from vestige.engine.machine import cores
from vestige.registry.entries import InputError, RegistryEntry, choose

MOST_PROCESSES = 1024


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


def _dask(argument: str) -> AbstractContextManager[Executor | None]:
    from vestige.engine.cluster import Cluster

    return Cluster(argument)


ENGINES: dict[str, RegistryEntry[AbstractContextManager[Executor | None]]] = {
    "local": RegistryEntry("processes of this machine: local (all cores) or local:N", _local),
    "dask": RegistryEntry(
        "a running Dask cluster: dask:tcp://host:port or tls://", _dask, extra="cluster"
    ),
}


@contextmanager
def open_executor(spec: str = "local") -> Iterator[Executor | None]:
    """Open "local", "local:N" or "dask:ADDRESS"; None means: in this process.

    Raises
    ------
    InputError
        Unknown engine, or no scheduler at the address.
    """
    name, _, argument = spec.partition(":")
    with choose(ENGINES, name, "engine").factory(argument) as executor:
        yield executor
