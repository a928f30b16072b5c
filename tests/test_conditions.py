"""The timestep condition that times of a sub-interval share, as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etsdm.diffusion.schedules import make_schedule
from etsdm.diffusion.sharing import partition, shared

T = 1000
divided = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, 20).map(lambda w: n * w)))
times = st.floats(0, 1500, allow_nan=False) | st.integers(0, 1500).map(float)


def uniform(t_tilde, n):
    return shared(partition("uniform", t_tilde, n, make_schedule("linear", T, 8)))


@given(divided, times, times)
def test_shared_condition_is_idempotent_monotone_and_the_identity_past_t_tilde(parameters, s, t):
    n, t_tilde = parameters
    f = uniform(t_tilde, n)
    assert f(f(t)) == f(t)
    assert f(t) <= t
    assert (s <= t) <= (f(s) <= f(t))
    assert f(t) == t if t >= t_tilde else f(t) == t // (t_tilde // n) * (t_tilde // n)


@given(st.lists(st.floats(1e-3, 99), min_size=1, max_size=20, unique=True), times)
def test_any_partition_gives_the_left_end(ends, t):
    left = [0.0, *sorted(ends)]
    f = shared(partition(left, 100, len(left), make_schedule("linear", T, 8)))
    assert f(t) == (t if t >= 100 else max(end for end in left if end <= t))
    assert f(f(t)) == f(t)


@given(st.lists(times, min_size=1))
def test_shared_condition_of_an_array_is_that_of_each_number(t):
    f = uniform(100, 5)
    assert f(np.array(t)).tolist() == [float(f(one)) for one in t]


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_the_sigma_partition_has_equal_jumps_of_the_noise_level(time):
    schedule = make_schedule("linear", T, 8, time)
    edges = partition("sigma", 100, 5, schedule)
    assert (edges[0], edges[-1]) == (0, 100)
    jumps = np.diff(schedule.sigma(np.maximum(edges, schedule.t_min)))
    assert jumps == pytest.approx(np.full(5, jumps.mean()), rel=1e-4)
    uniform_jumps = np.diff(schedule.sigma(np.maximum(np.linspace(0, 100, 6), schedule.t_min)))
    assert jumps.max() < uniform_jumps.max()


def test_the_papers_conditions_below_100():
    f = uniform(100, 5)
    assert sorted({float(f(t)) for t in range(100)}) == [0, 20, 40, 60, 80]
    assert [float(f(t)) for t in (19.99, 20, 99.5, 100, 101)] == [0, 20, 80, 100, 101]
