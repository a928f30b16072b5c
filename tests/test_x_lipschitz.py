"""The probe of the Lipschitz constant in x, and what the report says of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_made import write_measurement, write_results
from mixtures import GaussianMixture, column
from reports import every_experiment, read
from torch import Tensor
from trained import write_weights

from etsdm.data.archive import write_images
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.errors import UserError
from etsdm.models.unet import make_network
from etsdm.probes import PROBES
from etsdm.probes.inputs import noised
from etsdm.probes.x_lipschitz import constant, largest_singular_value
from etsdm.report.findings.judge import findings

LINEAR = make_schedule("linear", 1000, 8)
NETWORK = {
    "channels": 8,
    "multipliers": [1],
    "blocks": 1,
    "attention": [],
    "heads": 2,
    "head_channels": None,
    "dropout": 0.0,
    "norm_groups": 4,
    "scale_shift_norm": True,
    "resblock_updown": False,
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def small_predictor(prediction: str) -> NoisePredictor:
    """A U-Net in float64 with attention, whose last layers are not 0 as they are before training."""
    torch.manual_seed(0)
    network = make_network(NETWORK, 4, 1, 1).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return NoisePredictor(network, LINEAR, prediction=PREDICTIONS[prediction])


def exact_singular_values(predict: NoisePredictor, x: Tensor, t: float) -> Tensor:
    """Those of d eps(x, t) / dx of each image, largest first, (B, D), from the whole Jacobian."""
    jacobians = [torch.autograd.functional.jacobian(lambda x: predict(x, t), one[None]) for one in x]
    size = x[0].numel()
    return torch.stack([torch.linalg.svdvals(jacobian.reshape(size, size)) for jacobian in jacobians])


# ---------------------------------------------------------------- the probe


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_constant_is_that_of_the_exact_jacobian(prediction: str) -> None:
    predict, x, t = small_predictor(prediction), normal(3, 1, 4, 4), 30.0
    exact = exact_singular_values(predict, x, t)
    values, residuals = constant(predict, x, normal(3, 1, 4, 4, seed=1), t, 60).unbind(1)
    torch.testing.assert_close(values, exact[:, 0], rtol=1e-5, atol=0)
    assert exact[:, 0].unique().numel() == 3 and float(residuals.max()) < 1e-2


def test_the_residual_bounds_how_far_a_short_search_is_from_a_singular_value() -> None:
    predict, x, t = small_predictor("eps"), normal(3, 1, 4, 4), 30.0
    exact, before = exact_singular_values(predict, x, t), torch.zeros(3, dtype=torch.float64)
    for iterations in (1, 2, 4, 8):
        values, residuals = constant(predict, x, normal(3, 1, 4, 4, seed=1), t, iterations).unbind(1)
        assert bool((before < values).all() and (values <= exact[:, 0] * (1 + 1e-12)).all())
        nearest = (exact.square() / values.square()[:, None] - 1).abs().amin(1)
        assert bool((nearest <= residuals + 1e-12).all())
        before = values


def test_a_linear_network_has_its_largest_singular_value_everywhere() -> None:
    left, right = (torch.linalg.qr(normal(4, 4, seed=seed)).Q for seed in (1, 2))
    matrix = left @ torch.diag(torch.tensor([3.0, 1.0, 0.5, 0.0], dtype=torch.float64)) @ right
    x, start = normal(2, 5, 1, 2, 2)
    k_and_residual = largest_singular_value(lambda x: (x.flatten(1) @ matrix.T).view(x.shape), x, start, 20)
    torch.testing.assert_close(k_and_residual[:, 0], torch.full((5,), 3.0, dtype=torch.float64))
    assert float(k_and_residual[:, 1].max()) < 1e-8
    assert not k_and_residual.requires_grad


def test_a_network_that_ignores_x_has_a_constant_of_0() -> None:
    x, start = normal(2, 5, 1, 2, 2).float()
    k_and_residual = largest_singular_value(lambda x: 0 * x + 1, x, start, 3)
    assert k_and_residual.tolist() == [[0.0, 0.0]] * 5


@pytest.mark.parametrize("schedule", ["linear", "flow"])
@pytest.mark.parametrize("std", [0.5, 1e-4])
def test_the_best_prediction_of_a_gaussian_has_its_constant_in_closed_form(schedule: str, std: float) -> None:
    """eps*(x) = sigma (x - alpha m) / (alpha^2 s^2 + sigma^2); near one point, s -> 0, it diverges as 1 / sigma."""
    levels = make_schedule(schedule, 1000, 8)
    gaussian = GaussianMixture(column((0.3, -0.2)), torch.tensor([std], dtype=torch.float64), column((1.0,))[0])
    for t in (1, 10, 100):
        alpha, sigma = float(levels.alpha(t)), float(levels.sigma(t))
        predict = NoisePredictor(lambda x, _, a=alpha, s=sigma: gaussian.eps(x, a, s), levels)
        x, start = noised(levels, normal(4, 2), normal(4, 2, seed=1), t), normal(4, 2, seed=2)
        expected = torch.full((4,), sigma / (alpha**2 * std**2 + sigma**2), dtype=torch.float64)
        torch.testing.assert_close(constant(predict, x, start, t, 5)[:, 0], expected)
        if std < sigma / 10:
            assert expected[0].item() * sigma == pytest.approx(1, abs=0.02)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path / "images.zip", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    return tmp_path / "images.zip"


def test_the_probe_of_a_network_on_disk(tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing does nothing about the constant: at a left end it is that of the same network without sharing."""
    spec = PROBES.read({"probe": "x-lipschitz", "images": 5, "t": [20, 30], "iterations": 8})

    def probed(method: str) -> dict[str, Any]:
        weights = write_weights(tmp_path / method, method)
        result: dict[str, Any] = PROBES.load("x-lipschitz").probe(weights, images, spec, "cpu", progress=False)
        assert json.loads(json.dumps(result)) == result
        return result

    ddpm, etsdm = probed("ddpm"), probed("etsdm")
    assert [point["t"] for point in ddpm["points"]] == [20, 30] and ddpm["n"] == 5
    assert ddpm["points"][0] == etsdm["points"][0] and ddpm["points"][1]["K"] != etsdm["points"][1]["K"]
    for point in ddpm["points"]:
        assert point["K"] > 0 and point["K_std"] > 0 and 0 < point["residual"] < 0.3
    monkeypatch.setattr("etsdm.probes.x_lipschitz.BATCH_VALUES", 2 * 64)
    for whole, cut in zip(ddpm["points"], probed("ddpm")["points"], strict=True):
        assert cut == pytest.approx(whole, rel=1e-3)


def test_a_time_beyond_the_schedule_is_refused(tmp_path: Path, images: Path) -> None:
    spec = PROBES.read({"probe": "x-lipschitz", "images": 1, "t": [1000]})
    with pytest.raises(UserError, match="t = 1000 lies outside the times of the network's linear schedule"):
        PROBES.load("x-lipschitz").probe(write_weights(tmp_path / "weights"), images, spec, "cpu", progress=False)


# ---------------------------------------------------------------- the report


def test_the_constant_in_x_is_measured_at_the_fine_times_and_compared_with_ddpms(tmp_path: Path) -> None:
    """Up to one per cent higher or lower for etsdm: equivalent."""
    factors = {"ddpm": {3: 1.0, 7: 1.3, 8: 0.9}, "etsdm": {3: 1.01, 7: 1.3, 8: 0.9 / 1.01}}

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        write_measurement(results, inventory, measurement)
        if measurement["kind"] == "x-lipschitz":
            model, spec = inventory["models"][measurement["model"]], inventory["probes"][measurement["run"]]
            factor = factors[model["method"]["name"]][model["seed"]]
            points = [{"t": t, "K": 100 / t * factor} for t in spec["t"]]
            (results / measurement["file"]).write_text(json.dumps({"n": 8, "points": points}))

    experiment = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"], "images": 8, "fine_until": 40}
    config = every_experiment() | {"seeds": [3, 7, 8], "experiments": {"x-lipschitz": experiment}}
    results = read(write_results(tmp_path, config, measure))
    rows = results.experiment("x-lipschitz")
    assert set(rows["metric"]) == {"K-in-x", "K", "K-per-sqrt-dimension"}
    assert sorted(set(rows[rows["metric"] == "K-in-x"]["t"])) == [10, 20, 30, 40]
    (finding,) = [one for one in findings(results) if one.claim.experiment == "x-lipschitz"]
    assert (finding.verdict, finding.role) == ("equivalent", "primary")
    assert finding.change is not None and finding.change.mean == pytest.approx(0.0, abs=1e-9)
