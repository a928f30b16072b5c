"""The time that fits x, on inputs whose variance is known exactly."""

import numpy as np
import pytest
import torch
from torch import Tensor
from typed import solver

from etsdm.diffusion.methods.shared_noise import SharedLevels
from etsdm.diffusion.predictions import DATA
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import Schedule, make_schedule
from etsdm.diffusion.sharing import shared
from etsdm.sampling.sample import set_options
from etsdm.solvers.time_shift import TimeShift, fitting_times

SCHEDULES = [
    make_schedule(name, 1000, 16, time)
    for name in ("linear", "cosine", "zero-terminal-snr", "flow")
    for time in ("discrete", "continuous")
]
LINEAR = SCHEDULES[0]


def at_level(schedule: Schedule, *times: float) -> Tensor:
    """Images (B, 3, 8, 8) whose values vary as much as the noise at these times does."""
    x = torch.randn(len(times), 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    deviations = x.flatten(1).std(1).view(-1, 1, 1, 1)
    return 0.3 + torch.from_numpy(schedule.sigma(np.array(times))).view(-1, 1, 1, 1) * x / deviations


def shifted_times(x: Tensor, t: float, schedule: Schedule = LINEAR, window: int = 40, cutoff: int = 300) -> list[float]:
    shift = TimeShift(window=window, cutoff=cutoff)
    times: list[float] = fitting_times(x, np.full(len(x), t), shift, schedule, schedule.t_max).tolist()
    return times


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.name}-{type(s).__name__}")
@pytest.mark.parametrize("t", [450.0, 600.5])
def test_where_x_has_the_variance_of_its_time_the_network_is_told_that_time(schedule, t):
    assert shifted_times(at_level(schedule, t, t), t, schedule) == [t, t]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.name}-{type(s).__name__}")
def test_x_at_another_level_of_the_window_gives_the_time_of_that_level(schedule):
    """Each image has its own; what lies outside the window gives its edge."""
    x = at_level(schedule, 450.5, 430.5, 447.5, 451.5, 470.5, 400.5, 500.5)
    assert shifted_times(x, 450.5, schedule) == [450.5, 430.5, 447.5, 451.5, 470.5, 430.5, 470.5]


def test_half_a_window_counts_whole_steps():
    x = at_level(LINEAR, 400, 600)
    assert shifted_times(x, 500, window=1) == [500, 500]
    assert shifted_times(x, 500, window=2) == shifted_times(x, 500, window=3) == [499, 501]


def test_nothing_is_shifted_at_the_cut_off_below_it_and_at_the_start():
    x = at_level(LINEAR, 310, 990)
    assert shifted_times(x, 300) == [300, 300] and shifted_times(x, 200) == [200, 200]
    assert shifted_times(x, 301) == [310, 321]
    assert shifted_times(x, LINEAR.t_max) == [999, 999]


def test_no_time_is_told_that_training_does_not_know():
    small, large = at_level(LINEAR, 0)[0] / 2, 2 * at_level(LINEAR, 999)[0]
    assert shifted_times(torch.stack([small, large]), 5, cutoff=0) == [0, 25]
    assert shifted_times(torch.stack([small, large]), 990, cutoff=0) == [970, 999]


def test_of_times_at_one_level_the_nearest_is_told():
    schedule = SharedLevels(LINEAR, (0.0, 400.0, 500.0))
    assert shifted_times(at_level(schedule, 450), 450, schedule) == [450]
    assert shifted_times(at_level(schedule, 350), 410, schedule) == [399]


def test_the_network_is_told_the_condition_of_that_time_and_its_answer_is_read_at_the_true_level():
    """x_0 = 0.1 x is what the network answers, so eps = (x - alpha 0.1 x) / sigma at the time where x is."""
    conditions = []
    predict = NoisePredictor(
        lambda x, c: conditions.append(c.tolist()) or 0.1 * x, LINEAR, shared([0, 400, 500, 600, 700]), prediction=DATA
    )
    settings = solver("ddim", 10, time_shift=TimeShift(window=200, cutoff=300))
    x = at_level(LINEAR, 430, 610)
    prediction = predict(x, 520)
    set_options(predict, settings)
    assert torch.equal(predict(x, 520), prediction)
    assert conditions == [[500, 500], [400, 600]]
    eps = (1 - 0.1 * float(LINEAR.alpha(520))) / float(LINEAR.sigma(520)) * x
    assert torch.allclose(prediction, eps, atol=1e-12)


def test_a_later_start_is_a_start():
    settings = solver("ddim", 10, time_shift=TimeShift(window=40, cutoff=300), lambda_start=-4.0)
    x, t = at_level(LINEAR, 880), float(LINEAR.t_of_lambda(-4.0))
    assert 870 < t < 890
    predict = NoisePredictor(lambda x, c: x, LINEAR)
    set_options(predict, settings)
    assert predict.network_times is not None
    assert predict.network_times(x, np.array([t])) == [t]
    assert predict.network_times(x, np.array([865.0])) == [880]
    set_options(predict, solver("ddim", 10))
    assert predict.network_times is None
