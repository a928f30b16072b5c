"""The error of solvers: its reference on a mixture of Gaussians, its jumps, and its order."""

import math

import numpy as np
import pytest
import torch
from mixtures import GaussianMixture, SmoothSchedule
from probing import EDGES, LINEAR, probed, write_noise
from solving import start
from trained import model_spec, trained_tensors, write_weights
from typed import process_with, solver

from etsdm.diffusion.conditions import identity, jumps_of
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.schedules.levels import Straight
from etsdm.diffusion.sharing import shared
from etsdm.errors import UserError
from etsdm.models.weights import save_weights
from etsdm.probes.solver_error import distances, jumps, reference, reference_times, solution

MIXTURE = GaussianMixture()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("images"))


def shared_noise_prediction(schedule, edges):
    """The mixture's eps*(x, f(t)): a network that has learned the best prediction at each left end."""
    predict, condition = MIXTURE.predictor(schedule), shared(edges)
    return lambda x, t: predict(x, float(condition(np.float64(t))))


@pytest.mark.parametrize(
    ("name", "time", "flat"),
    [
        *((name, "discrete", False) for name in SCHEDULES.names()),
        ("linear", "continuous", False),
        ("cosine", "continuous", True),
    ],
)
def test_the_reference_is_tight_on_a_mixture(name, time, flat):
    schedule = make_schedule(name, 1000, 256, time)
    schedule = schedule.flattened(100) if flat else schedule
    ends = (float(schedule.lambda_(t)) for t in (schedule.t_max, schedule.t_stop))
    exact = MIXTURE.flow(start(4), *ends, straight=schedule.levels is Straight)
    approximation = reference(MIXTURE.predictor(schedule), schedule, start(4), 600, [])
    assert float(distances(approximation, exact).max()) < 3e-5


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_the_reference_sees_no_jump(time):
    schedule = make_schedule("linear", 1000, 8, time)
    predict = shared_noise_prediction(schedule, EDGES)
    tight = reference(predict, schedule, start(), 1200, EDGES[1:])
    error = distances(reference(predict, schedule, start(), 300, EDGES[1:]), tight).mean()
    blind = distances(reference(predict, schedule, start(), 300, []), tight).mean()
    assert error < 1e-4
    assert blind > 10 * error


def test_the_reference_restarts_just_below_each_jump():
    times = reference_times(LINEAR, 50, EDGES[1:])
    assert times[0] == LINEAR.t_max and times[-1] == 0
    assert sorted(times, reverse=True) == times and len(times) == 51 + 5
    left_ends = shared(EDGES)(np.array([t for t in times if any(0 < edge - t < 1e-9 for edge in EDGES)]))
    assert left_ends.tolist() == [80, 60, 40, 20, 0]
    whole = reference_times(LINEAR, 50, [LINEAR.t_max])
    assert len(whole) == 51 and 0 < LINEAR.t_max - whole[0] < 1e-9


def test_jumps_are_the_right_ends_inside_the_process():
    assert jumps(shared(EDGES), LINEAR) == EDGES[1:]
    assert jumps(shared([0.0, 5000.0]), LINEAR) == []
    assert jumps(identity, LINEAR) == []
    continuous = make_schedule("linear", 1000, 8, "continuous", tau_min=0.03)
    assert jumps(shared(EDGES), continuous) == [40, 60, 80, 100]


def test_only_methods_with_steps_in_the_condition_jump():
    steps = {name for name in METHODS.names() if jumps_of(process_with({}, {"name": name}).condition)}
    assert steps == {"etsdm", "shared-noise"}


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpm-solver-2", 2), ("dpm-solver++-2m", 2)])
def test_the_error_falls_with_the_order_of_the_solver(name, order):
    schedule = SmoothSchedule()
    predict = MIXTURE.predictor(schedule)
    exact = reference(predict, schedule, start(), 600, [])
    settings = solver(name, 1, grid="log-snr", denoise=True)
    errors = [distances(solution(predict, schedule, start(), settings, n), exact).mean().item() for n in (80, 160)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_distances_are_root_mean_squares():
    a = torch.zeros(2, 1, 2, 2)
    b = torch.tensor([3.0, 0.0]).view(2, 1, 1, 1).expand(a.shape)
    assert distances(a, b).tolist() == [3.0, 0.0]


def test_the_solver_error_probe_of_a_network_on_disk(tmp_path, images):
    ddim = {"name": "ddim", "nfe": [5, 40], "grid": "uniform", "eta": 0.0, "denoise": True, "clip_x0": True}
    multistep = {"name": "dpm-solver++-2m", "nfe": [40], "grid": "log-snr", "lower_order_final": True}
    inner = [
        {"name": "dpm-solver-2", "nfe": [10], "grid": "uniform", "inner_times": times} for times in ("grid", "log-snr")
    ]
    spec = {"images": 2, "solvers": [ddim, multistep, *inner], "reference_nfe": 600}
    result = probed("solver-error", write_weights(tmp_path / "etsdm", "etsdm"), images, spec)
    assert (result["n"], result["reference_nfe"]) == (2, 600)
    coarse, fine, fast, *singlestep = result["points"]
    assert (coarse["solver"], coarse["nfe"], coarse["parameters"]) == ("ddim", 5, {"grid": "uniform", "eta": 0.0})
    assert fast["parameters"] == {"grid": "log-snr", "lower_order_final": True}
    assert coarse["error"] > fine["error"] > fast["error"] > result["reference_error"] > 0
    assert coarse["error_std"] > 0
    assert [point["parameters"]["inner_times"] for point in singlestep] == ["grid", "log-snr"]
    assert singlestep[0]["error"] != pytest.approx(singlestep[1]["error"], rel=1e-3)


@pytest.mark.parametrize("solver", [{"name": "ancestral", "nfe": 5}, {"name": "ddim", "nfe": 5, "eta": 0.5}])
def test_a_solver_that_draws_noise_has_no_solver_error(tmp_path, images, solver):
    with pytest.raises(ValueError, match="draws noise"):
        probed("solver-error", tmp_path / "none", images, {"images": 1, "solvers": [solver], "reference_nfe": 60})


def test_a_process_with_steps_in_its_noise_level_has_no_solver_error(tmp_path, images):
    spec = model_spec("etsdm")
    spec["method"] |= {"name": "shared-noise"}
    save_weights(tmp_path / "shared", trained_tensors(), spec)
    probe_spec = {"images": 1, "solvers": [{"name": "ddim", "nfe": 2}], "reference_nfe": 60}
    with pytest.raises(UserError, match="no ODE"):
        probed("solver-error", tmp_path / "shared", images, probe_spec)
