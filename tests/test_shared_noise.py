"""Shared noise: one noise level per sub-interval, and the grids that stop at each."""

import numpy as np
import pytest
from method_specs import process

from etsdm.errors import UserError
from etsdm.solvers.grids import time_grid


def test_shared_noise_has_one_level_a_sub_interval():
    shared, baseline = process({"name": "shared-noise"}), process({"name": "ddpm"})
    t = np.arange(1000.0)
    left = np.where(t < 100, t // 20 * 20, t)
    assert shared.schedule.sigma(t) == pytest.approx(baseline.schedule.sigma(left), rel=1e-14)
    assert shared.condition(t).tolist() == left.tolist()
    flat = baseline.schedule.flattened(100)
    assert shared.schedule.flattened(100).sigma(t) == pytest.approx(flat.sigma(left), rel=1e-14)


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("name", ["uniform", "quadratic", "log-snr"])
@pytest.mark.parametrize("points", [1, 2, 10, 50])
def test_grids_of_shared_noise_stop_at_each_level_once(name, points, time):
    schedule = process({"name": "shared-noise"}, time=time).schedule
    times = time_grid(name, schedule, points)
    assert len(times) == points
    assert times[0] == schedule.t_max
    assert set(times[times < 100]) <= {0.0, 20.0, 40.0, 60.0, 80.0}
    assert (np.diff(schedule.lambda_(times)) > 0).all()
    if points > 1:
        assert times[-1] == 0.0
        assert np.isfinite(schedule.lambda_(times[-1]))


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize("schedule", ["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr"])
@pytest.mark.parametrize("grid", ["uniform", "quadratic", "log-snr"])
def test_the_modified_schedule_samples_to_the_baselines_noise_level_and_trains_all_times(grid, schedule, time):
    modified, baseline = (
        process({"name": name}, time=time, schedule=schedule) for name in ("modified-schedule", "ddpm")
    )
    for points in (2, 50, 500):
        ends = [float(p.schedule.sigma(time_grid(grid, p.schedule, points)[-1])) for p in (modified, baseline)]
        assert ends[0] == pytest.approx(ends[1], rel=1e-9)
        assert time_grid(grid, baseline.schedule, points)[-1] == baseline.schedule.t_min
    assert modified.schedule.draw(np.zeros(1), 900).tolist() == baseline.schedule.draw(np.zeros(1), 900).tolist()


def trained_times(shared):
    """What training in discrete time tells the network: the condition of every integer that it draws."""
    schedule = shared.schedule
    drawn = schedule.draw(np.linspace(0, 1, 5000, endpoint=False), schedule.t_max)
    return np.unique(shared.condition(drawn))


@pytest.mark.parametrize("settings", [{}, {"n": 100}, {"n": 60, "partition": "sigma"}, {"t_tilde": 1000}])
@pytest.mark.parametrize("schedule", ["linear", "zero-terminal-snr"])
@pytest.mark.parametrize("name", ["uniform", "quadratic", "log-snr"])
def test_shared_noise_is_never_sampled_between_trained_times_that_are_dense(name, schedule, settings):
    shared = process({"name": "shared-noise"} | settings, schedule=schedule)
    trained, t_tilde = trained_times(shared), shared.schedule.shared_edges[-1]
    count = len(trained)
    for points in sorted({*range(1, min(count, 60)), *range(60, count, 23), *range(max(1, count - 9), count + 1)}):
        times = time_grid(name, shared.schedule, points)
        assert len(times) == len(np.unique(shared.schedule.lambda_(times))) == points
        assert (np.diff(times) < 0).all()
        assert set(times[times < t_tilde]) <= set(trained)
        above = times[times >= t_tilde]
        assert (np.diff(above) <= -1).all()
        if (np.diff(above) == -1).any():
            assert set(above) <= set(trained)
        assert times[0] == trained[-1]
    assert times.tolist() == trained[::-1].tolist()
    with pytest.raises(UserError, match=f"{count + 1} times are asked .* with {count} noise levels"):
        time_grid(name, shared.schedule, count + 1)


@pytest.mark.parametrize(("t_end", "below"), [(0, 5), (20, 4), (50, 3), (99, 1), (100, 0), (300, 0)])
@pytest.mark.parametrize("name", ["uniform", "quadratic", "log-snr"])
def test_shared_noise_can_stop_at_each_of_its_levels(name, t_end, below):
    """Its levels are 0, 20, 40, 60 and 80, and the integers from 100 on; 50 has the level of 40, and 99 that of 80."""
    schedule = process({"name": "shared-noise"}).schedule
    levels = [*range(100 - 20 * below, 100, 20), *range(max(100, t_end), 1000)]
    for points in (2, 10, 300, len(levels) - 1, len(levels)):
        times = time_grid(name, schedule, points, t_end=t_end)
        assert times[0] == 999 and times[-1] == levels[0]
        assert len(np.unique(schedule.lambda_(times))) == points and (np.diff(times) < 0).all()
    assert times.tolist() == levels[::-1]
    with pytest.raises(UserError, match=f"{len(levels) + 1} times are asked .* with {len(levels)} noise levels"):
        time_grid(name, schedule, len(levels) + 1, t_end=t_end)


def test_shared_noise_in_few_steps_stops_where_it_did():
    """Evenly spaced from 999 down to the last of fifty times above 100."""
    times = time_grid("uniform", process({"name": "shared-noise"}).schedule, 50)
    lowest = np.linspace(999, 0, 50)[44]
    assert times.tolist() == [*np.linspace(999, lowest, 45).tolist(), 80, 60, 40, 20, 0]


@pytest.mark.parametrize("name", ["uniform", "quadratic", "log-snr"])
def test_in_continuous_time_shared_noise_has_as_many_levels_as_are_asked_unless_all_are_shared(name):
    schedule = process({"name": "shared-noise"}, time="continuous").schedule
    assert len(np.unique(schedule.lambda_(time_grid(name, schedule, 2000)))) == 2000
    schedule = process({"name": "shared-noise", "t_tilde": 1000}, time="continuous", schedule="cosine").schedule
    for points in range(1, 6):
        assert len(np.unique(schedule.lambda_(time_grid(name, schedule, points)))) == points
    with pytest.raises(UserError, match="5 noise levels"):
        time_grid(name, schedule, 6)
