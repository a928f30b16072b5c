"""Stability, against networks and data for which the answer is known."""

import math

import pytest
import torch
from mixtures import GaussianMixture, column
from probing import LINEAR, probed, write_noise
from solving import start
from trained import write_weights

from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.probes.stability import predicted, solved, squared_change


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("images"))


def test_a_linear_prediction_moves_by_its_slope():
    predict = NoisePredictor(lambda x, condition: 0.7 * x, LINEAR)
    x, z = torch.randn(2, 5, 1, 4, 4, dtype=torch.float64)
    slope = (1 - 0.7 * float(LINEAR.sigma(100))) / float(LINEAR.alpha(100))
    moved = squared_change(predicted(predict, x + 0.1 * z, 100), predicted(predict, x, 100))
    torch.testing.assert_close(moved, (0.1 * slope) ** 2 * z.square().flatten(1).mean(1))


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_solving_for_one_gaussian_scales_by_the_ratio_of_standard_deviations(time):
    """Its flow keeps the number of standard deviations, and its x_0 at t_min all but keeps x."""
    schedule, std = make_schedule("linear", 1000, 8, time), 0.5
    one = GaussianMixture(column((0.3, -0.2)), torch.tensor([std]).double(), torch.ones(1).double())
    predict = one.predictor(schedule)
    predict.schedule = schedule
    x, z = start(), start(9)[1:]
    ratio = std / math.hypot(float(schedule.alpha(100)) * std, float(schedule.sigma(100)))
    moved = solved(predict, x + 0.3 * z, 100, 200) - solved(predict, x, 100, 200)
    torch.testing.assert_close(moved, 0.3 * ratio * z, rtol=2e-3, atol=0)


@pytest.mark.parametrize("nfe", [1, 2, 7])
def test_solving_spends_its_evaluations_and_one_is_the_prediction(nfe):
    predict = NoisePredictor(lambda x, condition: 0.7 * x + 0.001 * condition.view(-1, 1, 1, 1), LINEAR)
    x = torch.randn(3, 1, 4, 4)
    x0 = solved(predict, x, 100, nfe)
    assert predict.nfe == nfe
    if nfe == 1:
        assert torch.equal(x0, predicted(predict, x, 100))


def test_the_stability_probe_of_a_network_on_disk(tmp_path, images):
    """At t_tilde both methods are told t itself, so only the way down from there tells them apart."""
    spec = {"images": 6, "t": 100, "stds": [0.01, 0.02, 0.3], "nfe": 5}
    ddpm, etsdm = (
        probed("stability", write_weights(tmp_path / method, method), images, spec) for method in ("ddpm", "etsdm")
    )
    assert {key: ddpm[key] for key in ("n", "t", "nfe")} == {"n": 6, "t": 100, "nfe": 5}
    for one, other in zip(ddpm["points"], etsdm["points"], strict=True):
        assert one["predicted"] == other["predicted"]
        assert one["solved"] != other["solved"]
        assert min(one["predicted_std"], one["solved_std"]) > 0
    assert [point["std"] for point in ddpm["points"]] == spec["stds"]
    for end in ("predicted", "solved"):
        small, double, large = (point[end] for point in ddpm["points"])
        assert double / small == pytest.approx(4, rel=0.05)  # the same noise, twice as strong
        assert large > double
