"""How far each solver ends from the exact solution of the probability-flow ODE: why a distance changes with NFE."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from etsdm.config.strict import MOST_STEPS, Count, Strict
from etsdm.diffusion.conditions import Condition, jumps_of
from etsdm.diffusion.schedules import Schedule
from etsdm.errors import UserError
from etsdm.probes.inputs import mean_and_std, per_image
from etsdm.probes.probe import Probe
from etsdm.solvers import SOLVERS, Solver, Solvers
from etsdm.solvers.dpm_solver_pp import dpm_solver_pp, step_orders

if TYPE_CHECKING:
    from torch import Tensor
    from tqdm import tqdm

    from etsdm.diffusion.predictor import NoisePredictor
    from etsdm.solvers.solver import Predict

SAME = {"name", "nfe", "denoise", "clip_x0"}
"""Settings that are no parameter of a point: its own columns, and what is the same for all."""


class Solutions(Strict):
    """Which solvers are compared with a tight solution, over how many images."""

    images: Count
    """Images over which the distance is averaged."""
    solvers: Solvers
    """Deterministic solvers, each with its budgets; none of them denoises at the end here."""
    reference_nfe: int = Field(600, ge=60, le=MOST_STEPS)
    """Evaluations of the reference, by DPM-Solver++ 3M on steps even in both log-SNR and t."""

    @model_validator(mode="after")
    def _deterministic(self) -> Self:
        for solver in self.solvers:
            if solver.draws_noise:
                raise ValueError(f"{solver.name} draws noise at each step and so solves no ODE; use another solver")
            if solver.lambda_start is not None:
                raise ValueError("lambda_start: the reference starts at t_max, so each solver must; leave it out")
            if solver.t_end is not None:
                raise ValueError("t_end: the reference ends at t_stop, so each solver must; leave it out")
            for option in ("eps_scale", "time_shift"):
                if getattr(solver, option) is not None:
                    raise ValueError(
                        f"{option}: the reference takes the network as it is, so each solver must; leave it out"
                    )
        return self


class SolverError(Solutions, Probe):
    """The probe of the solvers' errors."""

    order: ClassVar[int] = 30

    probe: Literal["solver-error"]

    def evaluations(self) -> int:
        """Those of the reference, of one of half its budget, and of the solvers; three a jump are left out."""
        reference = self.reference_nfe + self.reference_nfe // 2
        return reference + sum(sum(solver.nfe) for solver in self.solvers)


def in_float64(predict: NoisePredictor, bar: tqdm | None = None) -> Predict:
    """The predictor for x in float64: the network's own arithmetic stays float32, a solver's does not.

    Each evaluation moves the progress bar `bar`.
    """

    def precise(x: Tensor, t: float | Tensor) -> Tensor:
        if bar is not None:
            bar.update(len(x))
        return predict(x.float(), t).double()

    return precise


def jumps(condition: Condition, schedule: Schedule) -> list[float]:
    """Times where f(t), and so eps, jumps: the right ends of E-TSDM's sub-intervals; none for most methods."""
    return [time for time in jumps_of(condition) if schedule.t_stop < time <= schedule.t_max]


def reference_times(schedule: Schedule, steps: int, edges: list[float]) -> list[float]:
    """Times of the reference: `steps` steps from t_max to t_stop, and a time just below each of the `edges`.

    The steps are equal in the sum of lambda and t, each scaled to its range: equal steps in lambda alone are too long
    in t for a network whose time embedding turns by up to one radian a step, equal ones in t too long in lambda at the
    end. f is constant up to an edge but not at it, so a step from just below an edge sees no jump.
    """
    fine = np.linspace(schedule.t_max, schedule.t_stop, 20_001)
    lambdas = schedule.lambda_(fine)
    way = (lambdas - lambdas[0]) / (lambdas[-1] - lambdas[0]) + (fine[0] - fine) / (fine[0] - fine[-1])
    times = np.union1d(np.interp(np.linspace(0, 2, steps + 1), way, fine), edges)
    return np.where(np.isin(times, edges), np.nextafter(times, 0.0), times)[::-1].tolist()


def reference(predict: Predict, schedule: Schedule, x: Tensor, nfe: int, edges: list[float]) -> Tensor:
    """x at t_stop by DPM-Solver++ 3M from x at t_max: `nfe` evaluations, and one more for each of the `edges`.

    A step over a jump of eps is of first order, whatever the solver's, and so is one whose history lies beyond the
    jump: the solver starts again below each edge.
    """
    times = reference_times(schedule, nfe, edges)
    below = np.nextafter(edges, 0.0).tolist()
    cuts = sorted({0, len(times) - 1, *(times.index(edge) for edge in below)})
    for start, end in pairwise(cuts):
        x = dpm_solver_pp(predict, schedule, x, times[start : end + 1], step_orders(end - start, 3, False))
    return x


def solution(predict: Predict, schedule: Schedule, x: Tensor, solver: Solver, nfe: int) -> Tensor:
    """x at t_stop, without final denoising, by a solver with `nfe` evaluations."""
    settings = solver.model_copy(update={"denoise": False, "nfe": [nfe]})
    end: Tensor = SOLVERS.load(solver.name).solve(predict, schedule, x, settings, _no_noise)
    return end


def _no_noise() -> Tensor:
    raise AssertionError("a deterministic solver asked for noise")


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square of a - b over the values of each image, (B,)."""
    return (a - b).square().flatten(1).mean(1).sqrt()


def probe(
    weights: Path, images: Path, spec: SolverError, device: str = "auto", progress: bool = True
) -> dict[str, Any]:
    """Distance of each solver's x at t_stop from that of a tight reference, from the same noise, for each budget.

    All solve one problem: the probability-flow ODE of the trained network, from t_max to t_stop, with no final
    denoising and no clipping. The noise is that of a sample set of seed 0, drawn on the CPU. How tight the `reference`
    is, is measured by its distance from one of half its budget, which is larger than its own error.

    Args:
        weights: `weights.safetensors` of a training.
        images: not used; every probe is given the clean images.
        spec: settings of the probe.
        device: `auto`, `cpu`, `cuda`, ...
        progress: show a progress bar.

    Returns:
        {"n": images, "reference_nfe", "reference_error": mean distance between the reference and that of half its
        budget, "points": [{"solver", "parameters", "nfe", "error", "error_std"}]}, mean and standard deviation over
        images of the root mean square over values.

    Raises:
        UserError: a file can't be read, the noise level itself jumps, which leaves no ODE to solve, or an x is not
            finite.
        ValueError: a solver that draws noise.
    """
    import torch
    from tqdm import tqdm

    from etsdm.models.trained import load_predictor
    from etsdm.runtime.devices import pick_device
    from etsdm.sampling.noise import ImageNoise

    for solver in spec.solvers:
        if solver.draws_noise:
            raise ValueError(f"{solver.name} draws noise, and so has no distance from the solution of an ODE")
    where = pick_device(device)
    predict, trained = load_predictor(weights, where)
    schedule, edges = predict.schedule, jumps(predict.condition, predict.schedule)
    if schedule.shared_edges:
        raise UserError(f"{weights}: {trained.method.name} has steps in its noise level: there is no ODE to solve")
    noise = ImageNoise(0, range(spec.images), trained.dataset.shape, torch.device("cpu"))()
    budgets = spec.reference_nfe, spec.reference_nfe // 2
    cases = [(solver, nfe) for solver in spec.solvers for nfe in solver.nfe]
    evaluations = sum(budgets) + 2 * len(edges) + sum(nfe for _, nfe in cases)
    with tqdm(total=len(noise) * evaluations, desc="probe", unit=" img·NFE", disable=not progress) as bar:
        precise = in_float64(predict, bar)
        exact, looser = (
            per_image(
                lambda x, nfe=nfe: reference(precise, schedule, x.double(), nfe, edges),
                where,
                noise,
                label=f"x at the end of the reference of {nfe} evaluations",
            )
            for nfe in budgets
        )
        points = []
        for solver, nfe in cases:
            ends = per_image(
                lambda x, solver=solver, nfe=nfe: solution(precise, schedule, x.double(), solver, nfe),
                where,
                noise,
                label=f"x at the end of {solver.name}, {nfe} evaluations",
            )
            error, spread = mean_and_std(distances(ends, exact))
            parameters = solver.model_dump(mode="json", exclude_none=True, exclude=SAME)
            points.append(
                {"solver": solver.name, "parameters": parameters, "nfe": nfe, "error": error, "error_std": spread}
            )
    tightness, _ = mean_and_std(distances(looser, exact))
    return {"n": len(noise), "reference_nfe": budgets[0], "reference_error": tightness, "points": points}
