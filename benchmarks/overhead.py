"""What the workflow costs beside its jobs: wall clock times cores, less what the jobs' manifests say they computed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import click

from benchmarks.project import Project, read_config
from benchmarks.timing import repetitions, show, spread


@click.command(help=__doc__)
@repetitions(2)
@click.option("--config", type=Path, default=Path("config/digits.yaml"), show_default=True, help="What to run.")
@click.option("--cores", default=os.cpu_count(), show_default=True)
def main(repeats: int, config: Path, cores: int) -> None:
    walls, computed, jobs = [], [], 0
    for _ in range(repeats):
        with TemporaryDirectory() as folder:
            project = Project(Path(folder) / "project", read_config(config))
            started = perf_counter()
            project.snakemake("--cores", str(cores))
            walls.append(perf_counter() - started)
            manifests = project.manifests()
            computed.append(sum(manifest["seconds"] for manifest in manifests))
            jobs = len(manifests)
    overheads = [cores * wall - seconds for wall, seconds in zip(walls, computed, strict=True)]
    rows: list[dict[str, object]] = [
        {
            "measurement": f"{config}, {jobs} jobs, {cores} cores",
            "wall clock, s": spread(walls),
            "jobs' own, core s": spread(computed),
            "overhead, core s": spread(overheads),
            "of all core s": spread(
                [overhead / (cores * wall) for overhead, wall in zip(overheads, walls, strict=True)]
            ),
            "overhead a job, core s": spread([overhead / jobs for overhead in overheads]),
        }
    ]
    show(rows)


if __name__ == "__main__":
    main()
