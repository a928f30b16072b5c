"""Every method: it trains and samples, and does what its name says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from configs import tiny
from trained import prepared_digits
from typed import process_with, sample, solve, train

from etsdm.data.archive import read_images
from etsdm.diffusion.losses import prediction_loss
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.methods.regularization import finite_difference, forward_mode
from etsdm.diffusion.process import Process
from etsdm.errors import UserError
from etsdm.models.trained import make_predictor, starts_at_high_noise
from etsdm.models.unet import make_network
from etsdm.models.weights import load_weights
from etsdm.plan.plan import make_plan
from etsdm.probes.lipschitz import difference_quotients
from etsdm.solvers.grids import time_grid

DIFFUSION = {"timesteps": 1000, "schedule": "linear", "time": "discrete", "prediction": "eps", "tau_min": 1e-3}
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


def specs(method, training=None, **diffusion):
    """What the plan makes of a tiny benchmark with this method: the model's and the sample set's specifications."""
    block = {"datasets": ["digits"], "methods": [method], "solvers": [{"name": "ddim", "nfe": [4]}]}
    config = tiny(**{"training.images": 64, "evaluation.samples": 70, "experiments": {"alternatives": block}})
    config["diffusion"] |= diffusion
    config["training"] |= training or {}
    plan = make_plan(config, "test")
    return next(iter(plan.models.values())).spec, next(iter(plan.samples.values())).spec


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
    found = {}
    for name, seed in (("replica", None), ("ddpm", 0), ("ddpm", 1000)):
        spec, drawn = specs({"name": name})
        changed = {} if seed is None else {"seed": seed}
        out = tmp_path / f"{name}{seed}"
        train(spec | changed, prepared_digits(), out, "cpu", progress=False)
        drawn = drawn | changed | {"samples": 6}
        sample(out / "weights.safetensors", drawn, out / "samples.zip", "cpu", progress=False)
        found[name, seed] = load_weights(out / "weights.safetensors")[0], read_images(out / "samples.zip")
    weights, images = found["replica", None]
    same, other = found["ddpm", 1000], found["ddpm", 0]
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
    plain = run({"name": "ddpm"}, tmp_path / "ddpm")
    shared = run({"name": "etsdm", "t_tilde": 100, "n": 100}, tmp_path / "etsdm")
    coarse = run({"name": "etsdm", "t_tilde": 100, "n": 5}, tmp_path / "coarse")
    for name, tensor in plain[0].items():
        assert torch.equal(tensor, shared[0][name])
    assert any(not torch.equal(tensor, coarse[0][name]) for name, tensor in plain[0].items())


@pytest.mark.parametrize("prediction", ["eps", "v", "x_0"])
def test_unconditional_is_one_sub_interval_of_all_times_bit_for_bit(prediction, tmp_path):
    found = [
        run(method, tmp_path / method["name"], prediction=prediction)
        for method in ({"name": "unconditional"}, {"name": "etsdm", "t_tilde": 1000, "n": 1}, {"name": "ddpm"})
    ]
    (weights, images, losses), shared, told = found
    assert all(torch.equal(tensor, shared[0][name]) for name, tensor in weights.items())
    assert np.array_equal(images, shared[1]) and losses == shared[2]
    assert any(not torch.equal(tensor, told[0][name]) for name, tensor in weights.items())


@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_unconditional_tells_the_network_nothing_at_any_time(time):
    """Not at the last time either, which in continuous time lies beyond E-TSDM's sub-intervals."""
    unconditional = process({"name": "unconditional"}, time=time)
    times = np.linspace(unconditional.schedule.t_min, unconditional.schedule.t_end, 101)
    assert not unconditional.condition(times).any()


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
    rival, plain, diffusion = LIMITS[limit]
    weights, images, losses = run(rival, tmp_path / "rival", **diffusion)
    same_weights, same_images, same_losses = run(plain, tmp_path / "plain")
    assert all(torch.equal(tensor, same_weights[name]) for name, tensor in weights.items())
    assert np.array_equal(images, same_images)
    assert losses == same_losses


# ---------------------------------------------------------------- each by itself


def test_a_slower_embedding_is_that_of_an_earlier_time():
    told = process({"name": "embedding-scale", "scale": 16}).condition(np.array([0.0, 8.0, 999.0]))
    assert told.tolist() == [0.0, 0.5, 999 / 16]


def test_added_time_changes_the_network_and_nothing_else():
    spec, plain = specs({"name": "added-time"})[0], specs({"name": "ddpm"})[0]
    assert spec["network"] == plain["network"] | {"scale_shift_norm": False}
    assert process({"name": "added-time"}) == process({"name": "ddpm"})
    config = tiny(**{"network.scale_shift_norm": False, "experiments.lipschitz.methods": ["ddpm", "added-time"]})
    with pytest.raises(UserError, match=r"added-time is ddpm where network\.scale_shift_norm is false"):
        make_plan(config, "test")


def process(method, **diffusion) -> Process:
    return process_with(DIFFUSION | diffusion, method)


def test_remaps_keep_the_range_of_t_and_rise():
    t = np.arange(1000.0)
    for name in ("sigma", "log-snr", "sqrt"):
        told = process({"name": "remap", "map": name}).condition(t)
        assert (np.diff(told) > 0).all()
        assert 0 <= told[0] < 11
        assert 990 < told[-1] <= 1000.0001
    schedule = process({"name": "ddpm"}).schedule
    assert process({"name": "remap", "map": "sigma"}).condition(t) == pytest.approx(1000 * schedule.sigma(t))


def test_the_log_snr_remap_is_finite_where_alpha_is_zero():
    told = process({"name": "remap", "map": "log-snr"}, schedule="zero-terminal-snr").condition(np.array([999.0]))
    assert told.tolist() == [1000.0]


def test_shared_noise_has_one_level_a_sub_interval():
    shared, plain = process({"name": "shared-noise"}), process({"name": "ddpm"})
    t = np.arange(1000.0)
    left = np.where(t < 100, t // 20 * 20, t)
    assert shared.schedule.sigma(t) == pytest.approx(plain.schedule.sigma(left), rel=1e-14)
    assert shared.condition(t).tolist() == left.tolist()
    flat = plain.schedule.flattened(100)
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
    modified, plain = (process({"name": name}, time=time, schedule=schedule) for name in ("modified-schedule", "ddpm"))
    for points in (2, 50, 500):
        ends = [float(p.schedule.sigma(time_grid(grid, p.schedule, points)[-1])) for p in (modified, plain)]
        assert ends[0] == pytest.approx(ends[1], rel=1e-9)
        assert time_grid(grid, plain.schedule, points)[-1] == plain.schedule.t_min
    assert modified.schedule.draw(np.zeros(1), 900).tolist() == plain.schedule.draw(np.zeros(1), 900).tolist()


def test_the_modified_schedule_sampled_by_every_kind_of_solver_ends_there():
    schedule, asked = process({"name": "modified-schedule"}).schedule, []

    def predict(x, t):
        asked.append(t)
        return x

    for name in ("ancestral", "ddim", "dpm-solver-3", "dpm-solver++-2m"):
        asked.clear()
        spec = {"name": name, "nfe": 20, "grid": "uniform", "denoise": True, "variance": "fixed-large", "eta": 0.0}
        spec |= {"lower_order_final": False}
        solve(spec, predict, schedule, torch.ones(1, 1), lambda: torch.ones(1, 1))
        assert asked[-1] == schedule.t_stop > 13


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


def trained_like_predictor(attention=(), method="regularization"):
    """A random network in float64 with no zero layer, so that every derivative is alive."""
    network = {
        "channels": 8,
        "multipliers": [1, 2],
        "blocks": 1,
        "attention": list(attention),
        "heads": 2,
        "head_channels": None,
        "dropout": 0.0,
        "norm_groups": 4,
        "scale_shift_norm": True,
        "resblock_updown": True,
    }
    torch.manual_seed(0)
    net = make_network(network, 8, 1, 1).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return make_predictor(net, process({"name": method}))


def test_the_forward_derivative_is_the_limit_of_central_differences():
    predict = trained_like_predictor(attention=[4])
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([0.0, 33.0, 99.0], dtype=torch.float64)
    exact = forward_mode(predict, x, t)
    errors = []
    for h in (1.0, 0.5, 0.25):
        central = (predict.output(x, t + h) - predict.output(x, t - h)) / (2 * h)
        errors.append(float((central - exact).detach().norm() / exact.detach().norm()))
    assert errors[2] < 2e-2
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.3)
    assert errors[2] == pytest.approx(errors[1] / 4, rel=0.3)
    one_sided = finite_difference(predict, x, t)
    assert torch.allclose(one_sided, predict.output(x, t + 1) - predict.output(x, t))


@pytest.mark.parametrize("estimator", ["forward-mode", "finite-difference"])
def test_the_penalty_is_the_weighted_mean_square_below_t_tilde_and_trains_every_layer_that_sees_t(estimator):
    predict = trained_like_predictor()
    settings = specs({"name": "regularization", "estimator": estimator, "weight": 7.0})[0]["method"]
    penalty = process(settings).penalty
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([5.0, 100.0, 99.0, 700.0], dtype=torch.float64)
    derivative = {"forward-mode": forward_mode, "finite-difference": finite_difference}[estimator]
    found = penalty(predict, x, t)
    expected = 7 * derivative(predict, x, t).square().mean((1, 2, 3)) * torch.tensor([1, 0, 1, 0])
    assert torch.allclose(found, expected, rtol=1e-9)
    found.sum().backward()
    assert float(predict.network.time_embed[0].weight.grad.norm()) > 0
    assert penalty(predict, x, t + 100).tolist() == [0.0] * 4


def test_the_penalty_gives_each_image_its_own_context():
    """Of a conditional network, here one that multiplies the context by t."""
    context = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    predict = make_predictor(lambda x, c: x[:, 1:] * c.view(-1, 1, 1, 1), process({"name": "ddpm"}))
    predict.context = context
    settings = specs({"name": "regularization", "weight": 2.0})[0]["method"]
    penalty = process(settings).penalty
    t = torch.tensor([500.0, 7.0, 300.0, 50.0], dtype=torch.float64)
    expected = 2 * context.square().mean((1, 2, 3)) * torch.tensor([0, 1, 0, 1])
    assert torch.allclose(penalty(predict, torch.zeros_like(context), t), expected)
    assert predict.context is context


@pytest.mark.parametrize("schedule", ["linear", "cosine", "zero-terminal-snr"])
@pytest.mark.parametrize("time", ["discrete", "continuous"])
def test_a_score_over_sigma_has_the_loss_and_the_noise_of_ddpm_with_the_sign_turned(time, schedule):
    settings = {"name": "score-weighted", "output": "over-sigma"}
    scored, plain = (process(method, time=time, schedule=schedule) for method in (settings, {"name": "ddpm"}))
    network = trained_like_predictor().network
    score, noise = make_predictor(lambda x, c: -network(x, c), scored), make_predictor(network, plain)
    x0, eps = torch.randn(2, 5, 1, 8, 8, dtype=torch.float64)
    t = torch.tensor([scored.schedule.t_min, 33.0, 99.0, 500.0, scored.last], dtype=torch.float64)
    assert scored.last == plain.last
    losses = prediction_loss(score, x0, eps, t)
    assert torch.equal(losses, prediction_loss(noise, x0, eps, t))
    assert torch.equal(score(x0, t), noise(x0, t))
    # What Song et al. weight by sigma^2: the score is the output divided by sigma.
    alpha, sigma = score.levels(t, x0)
    output = score.output(alpha * x0 + sigma * eps, t)
    weighted = (sigma**2 * (output / sigma + eps / sigma).square()).mean((1, 2, 3))
    torch.testing.assert_close(losses, weighted, rtol=1e-12, atol=0)
    assert difference_quotients(score, x0, eps, 10, 20).min() > 0
    assert torch.equal(difference_quotients(score, x0, eps, 10, 20), difference_quotients(noise, x0, eps, 10, 20))


def test_score_weights_of_before_the_output_was_named_are_raw():
    old, new = ({"name": "score-weighted"} | more for more in ({}, {"output": "raw"}))
    assert process_with(DIFFUSION, old) == process_with(DIFFUSION, new) == process({"name": "score-weighted"})


@pytest.mark.parametrize("output", ["raw", "over-sigma"])
def test_scores_are_clipped_where_noise_is(output):
    settings = {"name": "score-weighted", "output": output}
    assert starts_at_high_noise(process(settings, schedule="cosine"))
    assert not starts_at_high_noise(process(settings))


def test_without_a_penalty_the_process_is_the_same():
    plain = process({"name": "ddpm"})
    assert replace(process({"name": "regularization"}), penalty=None) == plain
