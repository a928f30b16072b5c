"""One cluster for all tests; without SLURM they are skipped, and in CI they fail."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster import Cluster, missing, running
from configs import write_config
from projects import Project, copy_project

QUICK = {
    "default-resources": ["runtime=10", "mem_mb=1500"],
    "slurm-no-account": True,
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 1,
    "seconds-between-status-checks": 2,
    "latency-wait": 10,
}
"""What a small cluster without accounting needs; the rest of the profile is as it is shipped."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if reason := missing():
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"no SLURM here: {reason}")
    with running() as slurm:
        yield slurm


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path) -> Iterator[Project]:
    """A project whose jobs go to the cluster: `profiles/slurm` and `profiles/slurm-gres`, made quick."""
    copy_project(tmp_path / "project")
    on_cpus = {"ETSDM_DEVICE": "cpu"}  # the cluster's GPUs are stand-ins, which its jobs are given and cannot use
    project = Project(tmp_path / "project", environment=cluster.environment | on_cpus)
    write_config(project.config)
    for name in ("slurm", "slurm-gres"):
        file = project.folder / "workflow" / "profiles" / name / "config.yaml"
        profile = yaml.safe_load(file.read_text())
        profile["set-threads"] = ["prepare=2"]  # as many as the nodes have
        shorter = [one for one in profile["set-resources"] if not one.startswith(("train:mem_mb", "train:runtime"))]
        file.write_text(yaml.safe_dump(profile | QUICK | {"set-resources": [*shorter, "train:runtime=1"]}))
    yield project
    project.stop()
