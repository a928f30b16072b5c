"""K(t, t') against networks whose time-Lipschitz constant is known."""

import numpy as np
import pytest
import torch
from trained import write_weights

from etsdm.data.archive import write_images
from etsdm.diffusion.conditions import identity, shared
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.probes.lipschitz import difference_quotients, pairs, probe_lipschitz

PAPER = {"images": 6, "fine_step": 10, "fine_until": 100, "coarse_step": 100, "coarse_until": 400}


def linear_in_time(x, condition):
    """eps = c t in every pixel: K = c sqrt(d) for every pair."""
    return 0.25 * condition.view(-1, 1, 1, 1).expand(x.shape)


def test_the_pairs_are_the_papers():
    assert pairs(PAPER) == [(t - 10, t) for t in range(10, 101, 10)] + [(100, 200), (200, 300), (300, 400)]


@pytest.mark.parametrize(("t_prime", "t"), [(0, 10), (90, 100), (300, 400)])
def test_a_network_linear_in_time_has_its_slope_everywhere(t_prime, t):
    predict = NoisePredictor(linear_in_time, make_schedule("linear", 1000, 8), identity)
    x0, eps = torch.randn(2, 3, 1, 8, 8)
    assert difference_quotients(predict, x0, eps, t_prime, t).tolist() == pytest.approx([0.25 * 8] * 3)


def test_sharing_gives_exactly_zero_inside_a_sub_interval_and_doubles_the_step_between_two():
    predict = NoisePredictor(linear_in_time, make_schedule("linear", 1000, 8), shared(100, 5))
    x0, eps = torch.randn(2, 3, 1, 8, 8)
    quotients = {t: difference_quotients(predict, x0, eps, t - 10, t) for t in range(10, 101, 10)}
    for t in (10, 30, 50, 70, 90):
        assert quotients[t].tolist() == [0.0] * 3
    for t in (20, 40, 60, 80, 100):
        assert quotients[t].tolist() == pytest.approx([2 * 0.25 * 8] * 3)


def test_the_probe_of_a_network_on_disk(tmp_path):
    """Real weights through the whole probe; the same network conditioned as etsdm has zeros where it must."""
    write_images(tmp_path / "images.zip", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    found = {
        method: probe_lipschitz(
            write_weights(tmp_path / method, method), tmp_path / "images.zip", PAPER, progress=False
        )
        for method in ("ddpm", "etsdm")
    }
    k = {method: {point["t"]: point["K"] for point in result["points"]} for method, result in found.items()}
    assert found["ddpm"]["n"] == 6
    assert found["ddpm"]["dimension"] == 64
    assert all(value > 0 for value in k["ddpm"].values())
    assert [t for t, value in k["etsdm"].items() if value == 0] == [10, 30, 50, 70, 90]
    assert [k["etsdm"][t] for t in (200, 300, 400)] == [k["ddpm"][t] for t in (200, 300, 400)]
    for point in found["ddpm"]["points"]:
        assert point["K_per_sqrt_dimension"] == pytest.approx(point["K"] / 8)
