"""The examples for clusters: they are what SLURM and Kubernetes take, and one of them runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dask_cluster import SOURCE
from docs_blocks import ROOT
from story.world import call, release, worlds
from vestige.worlds.embedded import write_world

EXAMPLES = ROOT / "examples"
VERSIONS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
}


@pytest.fixture
def parts() -> dict[tuple[str, str], Any]:
    """(kind, name) -> a document of the example for Kubernetes."""
    yaml = pytest.importorskip("yaml")
    found = list(yaml.safe_load_all((EXAMPLES / "kubernetes_audit.yaml").read_text("utf-8")))
    assert {one["kind"]: one["apiVersion"] for one in found} == VERSIONS
    named = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(named) == len(found)
    return named


def test_kubernetes_finds_all_that_its_parts_name(parts: dict[tuple[str, str], Any]) -> None:
    scheduler, workers = (
        parts["Deployment", f"vestige-{part}"]["spec"] for part in ("scheduler", "worker")
    )
    audit, service = parts["Job", "vestige-audit"], parts["Service", "vestige-scheduler"]
    for spec in (scheduler, workers):
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == scheduler["template"]["metadata"]["labels"]
    pods = [one["template"]["spec"] for one in (scheduler, workers, audit["spec"])]
    images = set()
    for pod in pods:
        claimed = {volume["name"] for volume in pod.get("volumes", [])}
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            images.add(container["image"])
            assert all(isinstance(word, str) for word in container["command"])
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= claimed
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert images == {"vestige:VERSION"}  # one for all, on no host in particular
    assert audit["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    [port] = service["spec"]["ports"]
    address = f"tcp://vestige-scheduler:{port['port']}"
    for pod in pods[1:]:
        told = str([*pod.get("initContainers", []), *pod["containers"]])
        assert set(re.findall(r"tcp://[\w.:-]+", told)) == {address}
    assert str(port["port"]) in pods[0]["containers"][0]["command"]
    policy = parts["NetworkPolicy", "vestige"]["spec"]
    labels = {"matchLabels": {"app": "vestige"}}
    assert policy["podSelector"] == labels
    assert policy["ingress"] == [{"from": [{"podSelector": labels}]}]


def test_the_commands_for_kubernetes_are_commands(
    parts: dict[tuple[str, str], Any], capsys: Any, tmp_path: Path
) -> None:
    from distributed.cli import dask_scheduler, dask_worker

    programs = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    for part, program in programs.items():
        [container] = parts["Deployment", f"vestige-{part}"]["spec"]["template"]["spec"][
            "containers"
        ]
        assert container["command"][:2] == ["dask", part]
        program.make_context(part, list(container["command"][2:]))
    pod = parts["Job", "vestige-audit"]["spec"]["template"]["spec"]
    name, *asked = pod["containers"][0]["command"]
    assert (name, asked[0]) == ("vestige", "audit")
    compile(pod["initContainers"][0]["command"][2], "wait", "exec")
    said = call(capsys, *[word.replace("/data/", f"{tmp_path}/") for word in asked])
    assert said.code == 2
    assert f"{tmp_path}/synthetic" in said.err  # understood, and refused for what is missing


JOBQUEUE = """
from distributed import LocalCluster

class SLURMCluster(LocalCluster):
    def __init__(self, cores, processes, memory, walltime, **other):
        assert set(other) == {"local_directory", "death_timeout", "job_script_prologue",
                              "worker_extra_args"}
        super().__init__(n_workers=0, threads_per_worker=cores, memory_limit=0,
                         dashboard_address=None, local_directory="LOCAL")

    def adapt(self, minimum_jobs, maximum_jobs, **other):
        return super().adapt(minimum=minimum_jobs, maximum=min(maximum_jobs, 3), **other)
"""


def test_jobqueue_takes_what_the_example_for_slurm_asks() -> None:
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    code = "import slurm_adaptive as e\nwith e.cluster() as c: print(c.job_script())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(EXAMPLES), *sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    for line in (
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --mem=4G",
        "--nthreads 1",
        "--lifetime 110m",
    ):
        assert line in done.stdout


@pytest.mark.slow
def test_an_adaptive_cluster_gives_the_same_bytes(tmp_path: Path, capsys: Any) -> None:
    """The example as it is, with processes of this machine in place of jobs."""
    pytest.importorskip("distributed")
    (tmp_path / "dask_jobqueue.py").write_text(JOBQUEUE.replace("LOCAL", str(tmp_path / "local")))
    folder = write_world(worlds()[0], tmp_path / "world")
    asked = [*release(folder), "--detector", "matched_filter_pool", "--no-checks", "--quiet"]
    assert call(capsys, "audit", *asked, "--out", tmp_path / "here").code == 0
    own = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(SOURCE)))}
    done = subprocess.run(
        [
            sys.executable,
            EXAMPLES / "slurm_adaptive.py",
            *map(str, asked),
            "--out",
            tmp_path / "out",
        ],
        env=os.environ | own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    here, there = ((tmp_path / name / "findings.csv").read_bytes() for name in ("here", "out"))
    assert here == there
