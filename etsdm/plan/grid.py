"""The grid of an experiment: each trained model it needs, and the one place that says what cannot be combined."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from etsdm.config.strict import allowed_instead
from etsdm.diffusion.schedules import make_schedule
from etsdm.diffusion.settings import Method, SharedNoise
from etsdm.diffusion.sharing import most_times, partition
from etsdm.experiments.settings import Block, Resolution, SuperResolution, Theory
from etsdm.solvers import too_many
from etsdm.solvers.grids import start
from etsdm.solvers.settings import Solver

if TYPE_CHECKING:
    from etsdm.data.settings import Dataset
    from etsdm.plan.benchmark import Benchmark, Diffusion

GENERATION = {"name": "generation"}


class Cell(NamedTuple):
    """One model of an experiment, but for its seed."""

    name: str
    """Of the data set."""
    dataset: "Dataset"
    diffusion: "Diffusion"
    method: Method
    task: dict[str, Any]


def cells(config: "Benchmark", block: Block) -> Iterator[Cell]:
    """Every model that an experiment needs, methods varying fastest.

    Raises:
        ValueError: the block names a data set that there is not, or a size that it cannot have.
    """
    if isinstance(block, Theory):
        return
    if isinstance(block, SuperResolution):
        dataset, test = _dataset(config, block.train), _dataset(config, block.test)
        if (dataset.resolution, dataset.channels) != (test.resolution, test.channels):
            raise ValueError(f"{block.train} and {block.test} differ in size or channels; they must be alike")
        if dataset.resolution % block.factor:
            raise ValueError(f"factor = {block.factor} does not divide the {dataset.resolution} px of {block.train}")
        task = {"name": "super-resolution", "factor": block.factor}
        for method in block.methods:
            yield Cell(block.train, dataset, config.diffusion, method, task)
        return
    axes: dict[str, Sequence[str]] = {
        "schedule": block.schedules or [config.diffusion.schedule],
        "time": block.times or [config.diffusion.time],
        "prediction": block.predictions or [config.diffusion.prediction],
    }
    for name in block.datasets:
        for dataset in _sizes(_dataset(config, name), name, block):
            for values in product(*axes.values()):
                diffusion = config.diffusion.model_copy(update=dict(zip(axes, values, strict=True)))
                for method in block.methods:
                    yield Cell(name, dataset, diffusion, method, GENERATION)


def _dataset(config: "Benchmark", name: str) -> "Dataset":
    if name not in config.datasets:
        raise ValueError(f"no data set {name!r}; {allowed_instead(name, list(config.datasets))}")
    return config.datasets[name]


def _sizes(dataset: "Dataset", name: str, block: Block) -> "list[Dataset]":
    if not isinstance(block, Resolution):
        return [dataset]
    for side in block.resolutions:
        if not dataset.can_be(side):
            raise ValueError(f"{name} cannot be had at {side} px; see `resolution` and `resize` of data sets")
    return [dataset.model_copy(update={"resolution": side}) for side in block.resolutions]


def refusal(diffusion: "Diffusion", method: Method, resolution: int, solvers: Sequence[Solver] = ()) -> str | None:
    """Why this combination cannot be run; None if it can.

    What only needs care is not refused: sampling starts at the last step with alpha > 0, where x_t still has a trace of
    x_0 (`Schedule.t_max`), and with noise or score prediction training ends there, too (`Process.last`).
    """
    t_tilde = getattr(method, "t_tilde", 0)
    if t_tilde > diffusion.timesteps:
        return (
            f"t_tilde = {t_tilde} lies beyond the last of {diffusion.timesteps} timesteps; "
            f"allowed: 1 to {diffusion.timesteps}"
        )
    if method.name == "score-weighted" and diffusion.prediction != "eps":
        return (
            f"score-weighted learns the score, so it cannot predict {diffusion.prediction} as well; "
            "use it with prediction eps"
        )
    if diffusion.time == "continuous" and 0 < t_tilde <= diffusion.tau_min * diffusion.timesteps:
        return (
            f"t_tilde = {t_tilde} lies before the least time that is trained, tau_min T = "
            f"{diffusion.tau_min * diffusion.timesteps:g}"
        )
    for solver in solvers:
        if method.name == "shared-noise" and solver.name in ("dpm-solver-2", "dpm-solver-3"):
            return (
                f"{solver.name} evaluates the network at noise levels inside its steps, which shared-noise does not "
                "have; use ddpm, ddim, dpm-solver-1 or dpm-solver++"
            )
        if reason := too_many(solver.name, max(solver.nfe), diffusion.timesteps, diffusion.time == "discrete"):
            return reason
        if isinstance(method, SharedNoise):
            most = _most_steps(diffusion, method, resolution, solver)
            if max(solver.nfe) > most:
                return (
                    f"nfe = {max(solver.nfe)} of {solver.name} is more than the noise levels that shared-noise with "
                    f"t_tilde = {t_tilde} and n = {method.n} has; allowed: up to {most:g}"
                )
    return None


def _most_steps(d: "Diffusion", method: SharedNoise, resolution: int, solver: Solver) -> float:
    """The largest budget with which a solver stops at each noise level of shared-noise once; see `time_grid`."""
    schedule = make_schedule(d.schedule, d.timesteps, resolution, d.time, d.tau_min)
    edges = partition(method.partition, method.t_tilde, method.n, schedule)
    return most_times(edges, schedule, start(schedule, solver.lambda_start)) - (not solver.denoise)
