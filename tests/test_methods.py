"""Every method: it trains and samples, and does what its name says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from configs import tiny
from method_specs import process, specs
from trained import prepared_digits
from typed import sample, solve, train

from etsdm.data.archive import read_images
from etsdm.diffusion.methods import METHODS
from etsdm.errors import UserError
from etsdm.models.weights import load_weights
from etsdm.plan.plan import make_plan

SETTINGS = {
    "ddpm": [{}],
    "etsdm": [{}, {"partition": "sigma"}, {"partition": [0, 3, 9, 27, 81]}],
    "regularization": [{"estimator": "forward-mode"}, {"estimator": "finite-difference"}],
    "modified-schedule": [{}],
    "remap": [{"map": "sigma"}, {"map": "log-snr"}, {"map": "sqrt"}],
    "shared-noise": [{}],
    "score-weighted": [{}, {"output": "over-sigma"}],
    "embedding-scale": [{"scale": 16}],
    "added-time": [{}],
    "replica": [{}],
    "unconditional": [{}],
}
CASES = [{"name": name} | settings for name, variants in SETTINGS.items() for settings in variants]


def run(method, out: Path, training=None, **diffusion):
    """Train and sample: the weights, six images, and the losses on the way."""
    spec, drawn = specs(method, training, **diffusion)
    train(spec, prepared_digits(), out, "cpu", progress=False)
    sample(out / "weights.safetensors", drawn | {"samples": 6}, out / "samples.zip", "cpu", progress=False)
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    return load_weights(out / "weights.safetensors")[0], read_images(out / "samples.zip"), losses


LEARNING = {"images": 1536, "learning_rate": 5e-3, "warmup": 0}


def test_every_method_is_tried_here():
    assert set(SETTINGS) == set(METHODS.names())


@pytest.mark.parametrize("method", CASES, ids=lambda method: "-".join(map(str, method.values())))
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_every_method_learns_and_samples(method, time, tmp_path):
    weights, images, losses = run(method, tmp_path, LEARNING, time=time)
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert losses[-1] < 0.7 * losses[0]
    assert images.shape == (6, 8, 8, 1)
    assert len({image.tobytes() for image in images}) == 6


def test_a_replica_is_ddpm_with_the_seed_1000_above(tmp_path):
    """ddpm's own network at seed 1000, and its images, bit for bit; those of seed 0 are others."""
    runs = {}
    for name, seed in (("replica", None), ("ddpm", 0), ("ddpm", 1000)):
        spec, drawn = specs({"name": name})
        changed = {} if seed is None else {"seed": seed}
        out = tmp_path / f"{name}{seed}"
        train(spec | changed, prepared_digits(), out, "cpu", progress=False)
        drawn = drawn | changed | {"samples": 6}
        sample(out / "weights.safetensors", drawn, out / "samples.zip", "cpu", progress=False)
        runs[name, seed] = load_weights(out / "weights.safetensors")[0], read_images(out / "samples.zip")
    weights, images = runs["replica", None]
    same, other = runs["ddpm", 1000], runs["ddpm", 0]
    assert all(torch.equal(tensor, same[0][key]) for key, tensor in weights.items())
    assert np.array_equal(images, same[1])
    assert not all(torch.equal(tensor, other[0][key]) for key, tensor in weights.items())
    assert not np.array_equal(images, other[1])


@pytest.mark.parametrize("method", ["ddpm", "etsdm"])
@pytest.mark.parametrize("prediction", ["eps", "v", "x_0", "flow"])
@pytest.mark.parametrize("schedule", ["quadratic", "cosine", "cosine-shift", "zero-terminal-snr", "flow"])
def test_every_prediction_trains_and_samples_on_every_schedule(method, prediction, schedule, tmp_path):
    if (schedule, prediction) == ("flow", "v"):
        with pytest.raises(UserError, match=r"v gives the noise only where alpha\^2 \+ sigma\^2 = 1"):
            specs({"name": method}, prediction=prediction, schedule=schedule)
        return
    weights, images, losses = run({"name": method}, tmp_path, prediction=prediction, schedule=schedule)
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert np.isfinite(losses).all()
    assert images.shape == (6, 8, 8, 1)


def test_sub_intervals_of_one_step_are_the_baseline_bit_for_bit(tmp_path):
    baseline = run({"name": "ddpm"}, tmp_path / "ddpm")
    shared = run({"name": "etsdm", "t_tilde": 100, "n": 100}, tmp_path / "etsdm")
    coarse = run({"name": "etsdm", "t_tilde": 100, "n": 5}, tmp_path / "coarse")
    for name, tensor in baseline[0].items():
        assert torch.equal(tensor, shared[0][name])
    assert any(not torch.equal(tensor, coarse[0][name]) for name, tensor in baseline[0].items())


@pytest.mark.parametrize("prediction", ["eps", "v", "x_0"])
def test_unconditional_is_one_sub_interval_of_all_times_bit_for_bit(prediction, tmp_path):
    runs = [
        run(method, tmp_path / method["name"], prediction=prediction)
        for method in ({"name": "unconditional"}, {"name": "etsdm", "t_tilde": 1000, "n": 1}, {"name": "ddpm"})
    ]
    (weights, images, losses), shared, baseline = runs
    assert all(torch.equal(tensor, shared[0][name]) for name, tensor in weights.items())
    assert np.array_equal(images, shared[1]) and losses == shared[2]
    assert any(not torch.equal(tensor, baseline[0][name]) for name, tensor in weights.items())


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_unconditional_tells_the_network_nothing_at_any_time(time):
    """Not at the last time either, which in continuous time lies beyond E-TSDM's sub-intervals."""
    unconditional = process({"name": "unconditional"}, time=time)
    times = np.linspace(unconditional.schedule.t_min, unconditional.schedule.t_end, 101)
    assert not unconditional.condition(times).any()


@pytest.mark.slow
def test_with_integer_times_the_samples_are_the_baselines_too(tmp_path):
    """Solvers stop at real times, which one-step sub-intervals round down; a grid of integers has none of those."""
    images = []
    for method in ({"name": "ddpm"}, {"name": "etsdm", "t_tilde": 100, "n": 100}):
        spec, drawn = specs(method)
        out = tmp_path / method["name"]
        train(spec, prepared_digits(), out, "cpu", progress=False)
        every = drawn | {"samples": 3, "solver": drawn["solver"] | {"nfe": 1000}}
        sample(out / "weights.safetensors", every, out / "samples.zip", "cpu", batch=3, progress=False)
        images.append(read_images(out / "samples.zip"))
    assert np.array_equal(*images)


LIMITS = {
    "embedding-scale": ({"name": "embedding-scale", "scale": 1}, {"name": "ddpm"}, {}),
    "beta": ({"name": "ddpm"}, {"name": "ddpm"}, {"training_times": {"name": "beta", "a": 1, "b": 1}}),
    "min-snr": ({"name": "ddpm"}, {"name": "ddpm"}, {"loss_weight": {"name": "min-snr", "gamma": 1e9}}),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_limit_of_a_rival_is_ddpm_bit_for_bit(limit, tmp_path):
    """No slower embedding; Beta(1, 1), which is uniform; and a weight that is never below 1."""
    rival, baseline, diffusion = LIMITS[limit]
    weights, images, losses = run(rival, tmp_path / "rival", **diffusion)
    same_weights, same_images, same_losses = run(baseline, tmp_path / "plain")
    assert all(torch.equal(tensor, same_weights[name]) for name, tensor in weights.items())
    assert np.array_equal(images, same_images)
    assert losses == same_losses


def test_a_slower_embedding_is_that_of_an_earlier_time():
    condition = process({"name": "embedding-scale", "scale": 16}).condition(np.array([0.0, 8.0, 999.0]))
    assert condition.tolist() == [0.0, 0.5, 999 / 16]


def test_added_time_changes_the_network_and_nothing_else():
    spec, baseline = specs({"name": "added-time"})[0], specs({"name": "ddpm"})[0]
    assert spec["network"] == baseline["network"] | {"scale_shift_norm": False}
    assert process({"name": "added-time"}) == process({"name": "ddpm"})
    config = tiny(**{"network.scale_shift_norm": False, "experiments.lipschitz.methods": ["ddpm", "added-time"]})
    with pytest.raises(UserError, match=r"added-time is ddpm where network\.scale_shift_norm is false"):
        make_plan(config, "test")


def test_remaps_keep_the_range_of_t_and_rise():
    t = np.arange(1000.0)
    for name in ("sigma", "log-snr", "sqrt"):
        condition = process({"name": "remap", "map": name}).condition(t)
        assert (np.diff(condition) > 0).all()
        assert 0 <= condition[0] < 11
        assert 990 < condition[-1] <= 1000.0001
    schedule = process({"name": "ddpm"}).schedule
    assert process({"name": "remap", "map": "sigma"}).condition(t) == pytest.approx(1000 * schedule.sigma(t))


def test_the_log_snr_remap_is_finite_where_alpha_is_zero():
    condition = process({"name": "remap", "map": "log-snr"}, schedule="zero-terminal-snr").condition(np.array([999.0]))
    assert condition.tolist() == [1000.0]


def test_the_modified_schedule_sampled_by_every_kind_of_solver_ends_there():
    schedule, times = process({"name": "modified-schedule"}).schedule, []

    def predict(x, t):
        times.append(t)
        return x

    for name in ("ancestral", "ddim", "dpm-solver-3", "dpm-solver++-2m"):
        times.clear()
        spec = {"name": name, "nfe": 20, "grid": "uniform", "denoise": True, "variance": "fixed-large", "eta": 0.0}
        spec |= {"lower_order_final": False}
        solve(spec, predict, schedule, torch.ones(1, 1), lambda: torch.ones(1, 1))
        assert times[-1] == schedule.t_stop > 13
