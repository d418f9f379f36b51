"""Workers of other machines that do not see the files which this process lists."""

import os
from concurrent.futures import Executor

from vestige.engine.shards import Workers
from vestige.images.listing import Files
from vestige.images.remote import is_address
from vestige.images.series import paths_of
from vestige.images.shards import Shard
from vestige.registry.entries import InputError


def refuse_blind(executor: Executor | None, shard: Shard, files: Files) -> None:
    """Refuse a cluster that did not reach a file which this process can open.

    Raises
    ------
    InputError
        Otherwise whether an image is judged would depend on which worker it was sent to.
    """
    if not (shard.unreached and isinstance(executor, Workers) and executor.is_remote):
        return
    paths = dict(files)
    for identifier in shard.unreached:
        path = paths[identifier]
        if is_address(path) or not all(os.access(part, os.R_OK) for part in paths_of(path)):
            continue
        raise InputError(
            f"a worker of the cluster cannot open {path}, which this process can: give all "
            "workers the same folders under the same paths (shared storage, mounted volumes), "
            "and the right to read them."
        )
