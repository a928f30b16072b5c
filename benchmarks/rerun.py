"""A second run that has nothing to do, and a dry run of many runs, beside bare Snakefiles with as many jobs."""

import math
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.project import Project, job_count, read_config, snakemake
from benchmarks.timing import OURS, compared, in_turn, repetitions, show
from etsdm.plan.plan import make_plan

BARE = """
rule all:
    input: expand("b/{{i}}", i=range({pairs}))
rule b:
    input: "a/{{i}}"
    output: "b/{{i}}"
    shell: "cp {{input}} {{output}}"
rule a:
    output: "a/{{i}}"
    shell: "touch {{output}}"
"""


def bare(folder: Path, jobs: int) -> Path:
    """A Snakefile of `jobs` jobs in pairs, one after the other, with nothing to look up or compute."""
    folder.mkdir()
    (folder / "Snakefile").write_text(BARE.format(pairs=jobs // 2), encoding="utf-8")
    return folder


def with_runs(values: dict[str, Any], runs: int) -> dict[str, Any]:
    """The configuration with enough seeds that it has at least `runs` runs."""

    def count(seeds: int) -> int:
        plan = make_plan(values | {"seeds": list(range(seeds))}, "benchmark", look=False)
        return sum(len(stage) for stage in plan.runs().values())

    shared = 2 * count(1) - count(2)
    seeds = max(1, math.ceil((runs - shared) / max(1, count(2) - count(1))))
    return values | {"seeds": list(range(seeds))}


@click.command(help=__doc__)
@repetitions(3)
@click.option("--config", type=Path, default=Path("config/digits.yaml"), show_default=True, help="What is rerun.")
@click.option("--runs", default=5000, show_default=True, help="Runs of the dry run: CONFIG with more seeds.")
@click.option("--cores", default=os.cpu_count(), show_default=True)
def main(repeats: int, config: Path, runs: int, cores: int) -> None:
    with TemporaryDirectory() as temporary:
        folder, values, ordinary = Path(temporary), read_config(config), ("--cores", str(cores))
        finished = Project(folder / "finished", values)
        jobs = job_count(finished.snakemake(*ordinary))
        peer = bare(folder / "bare", jobs)
        snakemake(peer, *ordinary)
        works = {OURS: lambda: finished.snakemake(*ordinary), "bare Snakefile": lambda: snakemake(peer, *ordinary)}
        rows = compared(f"rerun with nothing to do, {jobs} jobs", in_turn(works, repeats, warm_up=False))

        planned, dry = (
            Project(folder / "planned", with_runs(values, runs)),
            ("--dry-run", "--quiet", "rules", *ordinary),
        )
        many = job_count(planned.snakemake("--dry-run", *ordinary))
        wide = bare(folder / "wide", many)
        works = {OURS: lambda: planned.snakemake(*dry), "bare Snakefile": lambda: snakemake(wide, *dry)}
        rows += compared(f"dry run of {runs:,} runs, {many:,} jobs", in_turn(works, repeats, warm_up=False))
    show(rows)


if __name__ == "__main__":
    main()
