"""Cost against size: images trained on, images sampled, evaluations and seeds, several times as many.

A cost is linear where the times lie on a straight line, whose intercept is the start; memory is flat where it stays at
that of the smallest size.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from benchmarks.project import ROOT, TOOLS, read_config
from benchmarks.timing import DEVICE, repetitions, show, spread
from etsdm.plan.plan import make_plan
from etsdm.runtime.files import read_json, write_json

Cost = tuple[float, float]
"""Seconds, and the peak memory of a process in MB, each from the manifests."""

GROWING = ("training", "sampling", "evaluations", "seeds")


def small_benchmark(images: int) -> dict[str, Any]:
    """One training of E-TSDM on the digits."""
    values = read_config(ROOT / "config" / "digits.yaml")
    values["seeds"] = [0]
    values["training"]["images"] = images
    values["experiments"] = {"lipschitz": {"datasets": ["digits"], "methods": ["etsdm"], "images": 1}}
    return values


def run_stage(manifest: Path, *arguments: object) -> Cost:
    """Run a stage in a process of its own."""
    subprocess.run([TOOLS / "etsdm", *map(str, arguments)], cwd=ROOT, capture_output=True, check=True)
    record = read_json(manifest)
    return record["seconds"], record["peak_memory_mb"]


class Stages:
    """Stages of the small benchmark, run by hand in `folder`: each as often as is given here."""

    def __init__(self, folder: Path, device: str, images: int, samples: int, nfe: int) -> None:
        self.folder, self.device, self.images, self.samples, self.nfe = folder, device, images, samples, nfe
        self.data, self.weights = folder / "data" / "images.zip", folder / "model" / "weights.safetensors"
        (data,) = make_plan(small_benchmark(images), "benchmark", look=False).data.values()
        spec = self.data.with_name("spec.json")
        write_json(spec, data.spec)
        run_stage(spec.with_name("manifest.json"), "prepare", "--spec", spec)
        self.train(1)

    def train(self, times: int, seed: int = 0) -> Cost:
        (model,) = make_plan(small_benchmark(times * self.images), "benchmark", look=False).models.values()
        spec = self.weights.with_name("spec.json")
        write_json(spec, model.spec | {"seed": seed})
        options = ["--spec", spec, "--data", self.data, "--device", self.device]
        return run_stage(spec.with_name("manifest.json"), "train", *options)

    def sample(self, times: int, times_nfe: int = 1) -> Cost:
        out, count, nfe = self.folder / "samples.zip", times * self.samples, times_nfe * self.nfe
        options = ["--weights", self.weights, "--nfe", nfe, "--count", count, "--out", out, "--device", self.device]
        return run_stage(out.with_suffix(".manifest.json"), "sample", *options)

    def seeds(self, times: int) -> Cost:
        seconds, memory = zip(*(self.train(1, seed) for seed in range(times)), strict=True)
        return sum(seconds), max(memory)


def rows_of(what: str, costs: dict[int, list[Cost]]) -> list[dict[str, object]]:
    """A row for each size: time beside the straight line of its repetition, memory beside that of the smallest."""
    sizes = list(costs)
    times, memory = (np.array([[cost[i] for cost in costs[size]] for size in sizes]) for i in (0, 1))
    slopes, starts = np.polyfit(sizes, times, 1)
    return [
        {
            "measurement": what,
            "size": f"x{size}",
            "s": spread(times[i]),
            "beside the line": spread(times[i] / (starts + slopes * size)),
            "MB": f"{median(memory[i]):.0f}",
            "memory": spread(memory[i] / memory[0]),
        }
        for i, size in enumerate(sizes)
    ]


@click.command(help=__doc__)
@DEVICE
@repetitions(2)
@click.option("--images", default=3200, show_default=True, help="Images trained on at x1.")
@click.option("--samples", default=256, show_default=True, help="Images sampled at x1.")
@click.option("--nfe", default=10, show_default=True, help="Evaluations at x1.")
@click.option("--largest", type=click.IntRange(2), default=8, show_default=True, help="x1, x2, x4, ... up to this.")
@click.option("--what", type=click.Choice(GROWING), multiple=True, default=GROWING, show_default=True)
def main(device: str, repeats: int, images: int, samples: int, nfe: int, largest: int, what: tuple[str, ...]) -> None:
    sizes, rows = [2**i for i in range(largest.bit_length())], []
    with TemporaryDirectory() as folder:
        stages = Stages(Path(folder), device, images, samples, nfe)
        measured: dict[str, tuple[str, Callable[[int], Cost]]] = {
            "training": (f"training, {images:,} images", stages.train),
            "sampling": (f"sampling, {samples:,} images", stages.sample),
            "evaluations": (f"sampling, {nfe} evaluations", lambda times: stages.sample(1, times)),
            "seeds": ("trainings, 1 seed", stages.seeds),
        }
        for title, cost in (measured[name] for name in what):
            costs: dict[int, list[Cost]] = {size: [] for size in sizes}
            for _ in range(repeats):
                for size in sizes:
                    costs[size].append(cost(size))
            rows += rows_of(title, costs)
    show(rows)


if __name__ == "__main__":
    main()
