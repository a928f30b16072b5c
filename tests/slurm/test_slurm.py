"""The workflow on a real cluster of two nodes: time slices, and every way in which a job can be lost."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from cluster import Cluster, wait_until
from configs import write_config
from projects import Project
from trained import model_spec, prepared_digits
from typed import train

from etsdm.models.weights import load_weights
from etsdm.runtime.files import read_json

LIPSCHITZ = {"lipschitz": {"datasets": ["digits"], "methods": ["ddpm"], "images": 8}}


def snakemake(project: Project, profile: str = "slurm") -> list[str]:
    return ["snakemake", "--configfile", str(project.config), "--workflow-profile", f"workflow/profiles/{profile}"]


def output(project: Project) -> str:
    logs = [project.folder / "snakemake.out", *project.folder.glob("results/models/**/train.log")]
    return "\n".join(f"== {log}\n{log.read_text()[-6000:]}" for log in logs)


def finish(project: Project, workflow: subprocess.Popen, seconds: float) -> None:
    assert workflow.wait(seconds) == 0, output(project)


def images_for(project: Project, seconds: float) -> int:
    """How many images a training of that length sees on this machine when it runs alone."""
    spec = model_spec("ddpm")
    spec["training"]["images"] = 20_000
    cost = train(spec, prepared_digits(), project.folder / "speed", "cpu", progress=False)
    return int(cost["images"] / cost["seconds"] * seconds)


def test_the_benchmark_runs_on_a_cluster_in_time_slices(project: Project) -> None:
    """Slices of one minute, half of which a training may use; two trainings of five slices go on side by side.

    What draws and scores images are arrays, and each job takes the partition that suits it.
    """
    solvers = [{"name": "ddim", "nfe": [2, 3]}]
    changes = {"training.images": images_for(project, 140), "experiments.fast-sampling.solvers": solvers}
    write_config(project.config, **changes)
    assert project.run("generate-slurm-partition-config", "-o", "partitions.yaml").returncode == 0
    partitions = project.folder / "partitions.yaml"
    partitions.write_text(partitions.read_text().replace("max_threads: 2", "max_threads: 2\n    max_gpu: 1"))
    with (project.folder / "workflow/profiles/slurm/config.yaml").open("a") as profile:
        profile.write("slurm-array-jobs: sample,score\nslurm-partition-config: partitions.yaml\n")
    finish(project, project.start(*snakemake(project), "--logger", "etsdm"), 1200)
    log = (project.folder / "snakemake.out").read_text()
    assert log.count("seed0: is tried again; etsdm: results/models/") >= 8
    assert not re.search("^Error|^Failed", log, re.MULTILINE)
    assert "No suitable partition" not in log
    assert len(list(project.folder.glob(".snakemake/slurm_logs/rule_sample/*_1.log"))) >= 1
    rows = pd.read_csv(project.folder / "results/reports/tiny/rows.csv")
    assert rows["value"].notna().all()
    manifests = [read_json(path) for path in project.folder.glob("results/models/*/*/seed0/manifest.json")]
    assert len(manifests) == 2
    for manifest in manifests:
        ends = [attempt["exit"] for attempt in manifest["attempts"]]
        assert len(ends) >= 5
        assert set(ends[:-1]) == {"interrupted"}
        assert all(attempt["job"] for attempt in manifest["attempts"])
    assert project.would_run() == {}


def test_a_submitted_benchmark_survives_its_drivers_where_gres_is_wanted(project: Project, cluster: Cluster) -> None:
    """The first driver's Snakemake is killed in a training; the second driver is cancelled while it waits for that."""
    write_config(project.config, **{"training.images": images_for(project, 20), "experiments": LIPSCHITZ})
    profile = project.folder / "workflow/profiles/slurm-gres/config.yaml"
    profile.write_text(profile.read_text().replace("train:runtime=1", "train:runtime=20"))
    options = ["PROFILE=workflow/profiles/slurm-gres", "TIME=10", "SBATCH=--cpus-per-task=1 --mem=1500"]
    done = project.make("submit", f"CONFIG={project.config}", *options)
    assert done.returncode == 0, done.stderr
    log = project.folder / re.search("tail -F (.+)", done.stdout)[1]

    def wait(holds: Callable[[], bool]) -> None:
        wait_until(lambda: holds() or "none follows" in log_text(), 120)
        assert "none follows" not in log_text(), log_text()

    def log_text() -> str:
        return log.read_text() if log.exists() else ""

    def driver() -> str:
        """The number of the driver that runs; empty between two."""
        return cluster.ask("squeue", "-h", "-t", "R", "-n", log.stem, "-o", "%i").strip()

    def training() -> list[str]:
        return [line for line in cluster.ask("squeue", "-h", "-t", "R", "-o", "%i %b").splitlines() if "gpu:1" in line]

    wait(lambda: bool(training()))
    (left,) = training()
    first = driver()
    assert cluster.kill_processes(first, "bin/snakemake") >= 1
    wait(lambda: f"{left.split()[0]}\n" in log_text().rpartition("waits for jobs of the one before it")[2])
    assert training() == [left]
    second = driver()
    assert second != first
    cluster.ask("scancel", second)
    wait(lambda: driver() not in ("", second))
    assert training() == [left]
    wait_until(lambda: "the workflow has ended, with exit code 0" in log_text(), 600)
    wait_until(lambda: cluster.ask("squeue", "-h") == "", 30)

    manifest = read_json(next(project.folder.glob("results/models/*/*/seed0/manifest.json")))
    assert [attempt["job"] for attempt in manifest["attempts"]] == [left.split()[0]]
    assert pd.read_csv(project.folder / "results/reports/tiny/rows.csv")["value"].notna().all()


def test_a_training_on_two_nodes_learns_what_one_process_learns(
    project: Project, cluster: Cluster, tmp_path: Path
) -> None:
    """200 steps at the learning rate that `tests/test_processes.py` explains."""
    longer = {"training.images": 200 * 32, "training.learning_rate": 1e-4}
    write_config(project.config, experiments=LIPSCHITZ, **longer)
    profile = project.folder / "workflow/profiles/slurm-gres/config.yaml"
    more = "- train:nodes=2\n- train:gpu=0"
    profile.write_text(profile.read_text().replace("- train:gpu=0", more))
    workflow = project.start(*snakemake(project, "slurm-gres"))
    wait_until(lambda: "2" in cluster.ask("squeue", "-h", "-o", "%D").split() or workflow.poll() is not None, 120)
    finish(project, workflow, 300)

    manifest = read_json(next(project.folder.glob("results/models/*/*/seed0/manifest.json")))
    assert manifest["processes"] == 2
    data = next(project.folder.glob("results/data/**/images.zip"))
    train(manifest["spec"], data, tmp_path / "alone", "cpu", progress=False)
    alone, together = (
        load_weights(path)[0]
        for path in (tmp_path / "alone/weights.safetensors", *project.folder.glob("results/models/**/*.safetensors"))
    )
    assert max(float((alone[name] - together[name]).abs().max()) for name in alone) < 1e-5


def test_a_training_survives_everything_that_can_befall_its_job(
    project: Project, cluster: Cluster, tmp_path: Path
) -> None:
    """In turn: scancel, preemption, a dead node, a dead controller, a dead Snakemake."""
    images = images_for(project, 80)
    write_config(project.config, **{"training.images": images, "experiments": LIPSCHITZ})
    profile = project.folder / "workflow/profiles/slurm/config.yaml"
    longer = profile.read_text().replace("train:runtime=1", "train:runtime=20")
    profile.write_text(longer.replace("- train:gpu=1", "- train:gpu=1\n- train:save_minutes=0"))
    workflow = project.start(*snakemake(project))

    def saved() -> int:
        names = [path.name for path in project.folder.glob("results/models/**/state/*.pt")]
        return max((int(name.partition("-")[0]) for name in names), default=0)

    def wait(holds: Callable[[], bool]) -> None:
        wait_until(lambda: holds() or workflow.poll() is not None, 240)
        assert workflow.poll() is None, output(project)

    def training_goes_on() -> str:
        """The number of the one job that is running, after it has saved something new."""
        wait(lambda: len(cluster.jobs()) == 1)
        before = saved()
        wait(lambda: saved() > before)
        return cluster.jobs()[0]

    wait(lambda: saved() > 0)  # the job before it prepares the data
    spec = next(project.folder.glob("results/models/*/*/seed0/spec.json"))
    data = next(project.folder.glob("results/data/**/images.zip"))
    alone = tmp_path / "alone"
    undisturbed = project.start("etsdm", "train", "--spec", str(spec), "--data", str(data), "--out", str(alone))

    job = training_goes_on()
    cluster.ask("scancel", job)
    wait(lambda: job not in cluster.jobs())

    job = training_goes_on()
    urgent = ["--partition=urgent", "--exclusive", f"--nodelist={cluster.node_of(job)}", "--output=/dev/null"]
    assert cluster.ask("sbatch", *urgent, "--wrap=sleep 2")
    wait(lambda: job not in cluster.jobs())
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", job)

    job = training_goes_on()
    node = cluster.node_of(job)
    cluster.kill(node)
    wait(lambda: job not in cluster.jobs())

    training_goes_on()
    cluster.start_node(node)
    cluster.kill("slurmctld")
    time.sleep(5)
    cluster.start_controller()

    training_goes_on()
    workflow.kill()
    workflow.wait()
    assert project.run(*snakemake(project), "--unlock").returncode == 0
    workflow = project.start(*snakemake(project))
    training_goes_on()
    finish(project, workflow, 600)

    manifest = read_json(next(project.folder.glob("results/models/*/*/seed0/manifest.json")))
    assert len(manifest["attempts"]) >= 5
    assert undisturbed.wait(300) == 0
    weights = next(project.folder.glob("results/models/*/*/seed0/weights.safetensors")).read_bytes()
    assert weights == (alone / "weights.safetensors").read_bytes()
