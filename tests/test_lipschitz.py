"""K(t', t), against networks for which it is known."""

import re

import numpy as np
import pytest
import torch
from probing import EDGES, LINEAR, probed, write_noise
from trained import write_weights

from etsdm.diffusion.conditions import identity
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.sharing import shared
from etsdm.errors import UserError
from etsdm.probes.lipschitz import Pairs, difference_quotients, pairs
from etsdm.probes.stability import solved

PAPER = {"images": 6, "fine_step": 10, "fine_until": 100, "coarse_step": 100, "coarse_until": 400}


def linear_in_time(x, condition):
    """eps = c t in every pixel: K = c sqrt(d) for every pair."""
    return 0.25 * condition.view(-1, 1, 1, 1).expand(x.shape)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("images"))


def test_the_pairs_are_the_papers():
    assert pairs(Pairs.model_validate(PAPER)) == [(t - 10, t) for t in range(10, 101, 10)] + [
        (100, 200),
        (200, 300),
        (300, 400),
    ]


@pytest.mark.parametrize("time", ["discrete", "continuous"])
@pytest.mark.parametrize(("t_prime", "t"), [(0, 10), (90, 100), (12.5, 13.75), (300, 400)])
def test_a_network_linear_in_time_has_its_slope_everywhere(t_prime, t, time):
    predict = NoisePredictor(linear_in_time, make_schedule("linear", 1000, 8, time), identity)
    x0, eps = torch.randn(2, 3, 1, 8, 8)
    assert difference_quotients(predict, x0, eps, t_prime, t).tolist() == pytest.approx([0.25 * 8] * 3)


def test_in_continuous_time_nothing_is_asked_below_t_min():
    conditions = []

    def network(x, condition):
        conditions.append(condition[0].item())
        return linear_in_time(x, condition)

    schedule = make_schedule("linear", 1000, 8, "continuous", tau_min=2e-3)
    difference_quotients(NoisePredictor(network, schedule), *torch.randn(2, 3, 1, 8, 8), 0, 10)
    assert conditions == [10.0, 2.0]


@pytest.mark.parametrize(
    ("t_prime", "t", "message"),
    [
        (0, 10, "t = 10 lies outside the times of the network's linear schedule; allowed: 50 to 1000"),
        (40, 50, "t = 50 is not above t' = 50; take a larger fine_step"),
        (900, 1100, "t = 1100 lies outside the times"),
        (60, 60, "t = 60 is not above t' = 60"),
    ],
)
def test_a_pair_without_a_step_inside_the_times_has_no_k(t_prime, t, message):
    """Below t_min K was negative, and at t_min 0 / 0."""
    predict = NoisePredictor(linear_in_time, make_schedule("linear", 1000, 8, "continuous", tau_min=0.05))
    with pytest.raises(UserError, match=re.escape(message)):
        difference_quotients(predict, *torch.randn(2, 3, 1, 8, 8), t_prime, t)


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_on_a_flattened_schedule_k_is_measured_from_the_first_time_and_solving_ends_where_sampling_does(name):
    conditions = []

    def network(x, condition):
        conditions.append(condition[0].item())
        return linear_in_time(x, condition)

    predict = NoisePredictor(network, make_schedule(name, 1000, 8).flattened(100))
    difference_quotients(predict, *torch.randn(2, 3, 1, 8, 8), 0, 10)
    assert conditions == [10.0, 0.0]
    conditions.clear()
    solved(predict, torch.randn(3, 1, 8, 8), 100, 5)
    assert conditions == pytest.approx(np.linspace(100, predict.schedule.t_stop, 5).tolist(), rel=1e-6)
    assert conditions[-1] > 2


def test_both_predictions_are_made_at_the_noise_level_of_t():
    seen = []

    def network(x, condition):
        seen.append(x)
        return x

    x0, eps = torch.randn(2, 3, 1, 8, 8)
    assert difference_quotients(NoisePredictor(network, LINEAR), x0, eps, 90, 100).tolist() == [0.0] * 3
    for x in seen:
        torch.testing.assert_close(x, float(LINEAR.alpha(100)) * x0 + float(LINEAR.sigma(100)) * eps)


def test_sharing_gives_exactly_zero_inside_a_sub_interval_and_doubles_the_step_between_two():
    predict = NoisePredictor(linear_in_time, LINEAR, shared(EDGES))
    x0, eps = torch.randn(2, 3, 1, 8, 8)
    quotients = {t: difference_quotients(predict, x0, eps, t - 10, t) for t in range(10, 101, 10)}
    for t in (10, 30, 50, 70, 90):
        assert quotients[t].tolist() == [0.0] * 3
    for t in (20, 40, 60, 80, 100):
        assert quotients[t].tolist() == pytest.approx([2 * 0.25 * 8] * 3)


def test_the_lipschitz_probe_of_a_network_on_disk(tmp_path, images):
    """Real weights through the whole probe; the same network conditioned as etsdm has zeros where it must."""
    results = {
        method: probed("lipschitz", write_weights(tmp_path / method, method), images, PAPER)
        for method in ("ddpm", "etsdm")
    }
    k = {method: {point["t"]: point["K"] for point in result["points"]} for method, result in results.items()}
    assert results["ddpm"]["n"] == 6
    assert results["ddpm"]["dimension"] == 64
    assert all(value > 0 for value in k["ddpm"].values())
    assert [t for t, value in k["etsdm"].items() if value == 0] == [10, 30, 50, 70, 90]
    assert [k["etsdm"][t] for t in (200, 300, 400)] == [k["ddpm"][t] for t in (200, 300, 400)]
    for point in results["ddpm"]["points"]:
        assert point["K_per_sqrt_dimension"] == pytest.approx(point["K"] / 8)
