"""An audit on SLURM jobs that come while there is work and go when there is none.

    python examples/slurm_adaptive.py --generated /shared/synthetic --used /shared/train \
        --unused /shared/holdout --cache /shared/vestige-cache --out /shared/audit

Needs `pip install 'vestige[cluster]' dask-jobqueue`, and a node whose processes may submit jobs and
be reached by them. Arguments are those of `vestige audit`; what is in capitals below is yours to
change. Traffic is not encrypted: docs/cluster.md tells how to use TLS.
"""

import subprocess
import sys
from collections.abc import Sequence

from dask_jobqueue import SLURMCluster

FEWEST, MOST = 2, 64
"""Jobs. One at least stays: images that no worker holds any more are read again."""
JOB = {"cores": 1, "processes": 1, "memory": "4GB", "walltime": "02:00:00"}
OPTIONS = {"local_directory": "/tmp", "death_timeout": 120}  # noqa: S108  # each node's own disk
QUIET = ["export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False"]
"""Dask watches itself a hundred times a second otherwise."""
BEFORE_THE_END = ["--lifetime", "110m", "--lifetime-stagger", "5m"]
"""A worker hands on what it holds before SLURM ends its job."""


def cluster() -> SLURMCluster:
    """A scheduler in this process; its workers are jobs."""
    return SLURMCluster(
        **JOB, **OPTIONS, job_script_prologue=QUIET, worker_extra_args=BEFORE_THE_END
    )


def main(arguments: Sequence[str]) -> int:
    """Wait for the first job, which may stand in the queue, then audit."""
    with cluster() as jobs:
        jobs.adapt(minimum_jobs=FEWEST, maximum_jobs=MOST, interval="10s", wait_count=6)
        jobs.wait_for_workers(1)
        engine = ["--engine", f"dask:{jobs.scheduler_address}"]
        return subprocess.call([sys.executable, "-m", "vestige", "audit", *engine, *arguments])  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
