"""Probes against networks and data for which the answer is known."""

import json
import math
import re
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from mixtures import GaussianMixture, SmoothSchedule, column
from pydantic import TypeAdapter
from trained import model_spec, trained_tensors, write_weights
from typed import process_with, solver

from etsdm.config.checking import checked
from etsdm.data.archive import pick_images, write_images
from etsdm.diffusion.conditions import identity, jumps_of
from etsdm.diffusion.methods import METHODS
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import SCHEDULES, make_schedule
from etsdm.diffusion.schedules.levels import Straight
from etsdm.diffusion.sharing import shared
from etsdm.errors import UserError
from etsdm.models.spec import Images
from etsdm.models.weights import save_weights
from etsdm.probes import PROBES, OneProbe
from etsdm.probes.inputs import even_images, mean_and_std, per_image
from etsdm.probes.lipschitz import Pairs, difference_quotients, pairs
from etsdm.probes.solver_error import distances, jumps, reference, reference_times, solution
from etsdm.probes.stability import predicted, solved, squared_change

PAPER = {"images": 6, "fine_step": 10, "fine_until": 100, "coarse_step": 100, "coarse_until": 400}
LINEAR = make_schedule("linear", 1000, 8)
EDGES = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
MIXTURE = GaussianMixture()


def linear_in_time(x, condition):
    """eps = c t in every pixel: K = c sqrt(d) for every pair."""
    return 0.25 * condition.view(-1, 1, 1, 1).expand(x.shape)


def start(n=8, dimensions=2):
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.zip"
    write_images(path, np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    return path


def probed(name, weights, images, spec):
    result = PROBES.load(name).probe(weights, images, PROBES.read({"probe": name} | spec), "cpu", progress=False)
    assert json.loads(json.dumps(result)) == result
    return result


OWN = """
__name__ = "own_probe"
from typing import ClassVar, Literal
from etsdm.probes.probe import Probe
class Length(Probe):
    order: ClassVar[int] = 90
    probe: Literal["length"]
    images: int = 2
    def evaluations(self):
        return 7
def probe(weights, images, spec, device="auto", progress=True):
    return {"n": spec["images"], "points": []}
"""


# What the probes share


def test_the_registry_names_modules_with_a_probe():
    assert PROBES.names() == ["lipschitz", "stability", "solver-error", "mismatch", "x-lipschitz"]
    for name in PROBES.names():
        assert PROBES.load(name).probe.__module__ == PROBES.module(name)
    with pytest.raises(UserError, match="unknown probe 'fid'"):
        PROBES.load("fid")


def test_what_a_plan_reads_loads_neither_torch_nor_pillow():
    rooms = "data.sources", "metrics.encoders", "metrics.distances", "probes"
    code = "import sys; from etsdm.config.registry import registries; " + "; ".join(f"import etsdm.{r}" for r in rooms)
    code += "; [registry.all() for registry in registries()]; sys.exit(bool({'torch', 'PIL'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_probe_in_one_file_is_one_of_all(monkeypatch):
    own = ModuleType("own_probe")
    exec(compile(OWN, "own_probe.py", "exec", dont_inherit=True), vars(own))
    monkeypatch.setitem(sys.modules, "own_probe", own)
    monkeypatch.setattr(PROBES, "_things", dict(PROBES.all()))
    PROBES.add(own)
    assert PROBES.names()[-1] == "length" and PROBES.load("length").probe is own.probe
    assert PROBES.read({"probe": "length", "images": 3}).evaluations() == 7
    assert checked(TypeAdapter(OneProbe), {"probe": "length"}, "spec").images == 2
    with pytest.raises(UserError, match=r"spec: probe: unknown 'lenght'; .*did you mean 'length'"):
        checked(TypeAdapter(OneProbe), {"probe": "lenght"}, "spec")


def test_images_are_spread_evenly_over_the_archive(tmp_path):
    ramp = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1) * np.ones((1, 2, 2, 3), dtype=np.uint8)
    write_images(tmp_path / "ramp.zip", ramp)
    assert pick_images(tmp_path / "ramp.zip", [7, 2])[:, 0, 0, 0].tolist() == [7, 2]
    for count, expected in ((3, [0, 4, 8]), (1, [0]), (20, list(range(9)))):
        found = even_images(tmp_path / "ramp.zip", count, Images(name="ramp", resolution=2, channels=3))
        assert found.shape == (len(expected), 3, 2, 2)
        assert ((found[:, 0, 0, 0] + 1) * 127.5).tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["lipschitz", "stability", "mismatch", "x-lipschitz"])
def test_images_unlike_those_of_the_training_are_refused(tmp_path, name):
    write_images(tmp_path / "colour.zip", np.zeros((2, 16, 16, 3), dtype=np.uint8))
    weights = write_weights(tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="16x16 pixels and 3 channels, but the network was trained on 8 pixels and 1"):
        PROBES.load(name).probe(
            weights, tmp_path / "colour.zip", PROBES.read({"probe": name, "images": 2}), "cpu", progress=False
        )


def test_batches_change_nothing(monkeypatch):
    a, b = torch.randn(2, 7, 1, 4, 4)
    whole = per_image(squared_change, torch.device("cpu"), a, b)
    monkeypatch.setattr("etsdm.probes.inputs.BATCH_VALUES", 32)
    torch.testing.assert_close(per_image(squared_change, torch.device("cpu"), a, b), whole, rtol=1e-6, atol=0)
    assert whole.dtype == torch.float64 and whole.shape == (7,)


def test_one_image_has_no_spread():
    assert mean_and_std(torch.tensor([3.0])) == (3.0, 0.0)
    assert mean_and_std(torch.tensor([1.0, 3.0])) == (2.0, pytest.approx(math.sqrt(2)))


# Lipschitz


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
    asked = []

    def network(x, condition):
        asked.append(condition[0].item())
        return linear_in_time(x, condition)

    schedule = make_schedule("linear", 1000, 8, "continuous", tau_min=2e-3)
    difference_quotients(NoisePredictor(network, schedule), *torch.randn(2, 3, 1, 8, 8), 0, 10)
    assert asked == [10.0, 2.0]


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
    asked = []

    def network(x, condition):
        asked.append(condition[0].item())
        return linear_in_time(x, condition)

    predict = NoisePredictor(network, make_schedule(name, 1000, 8).flattened(100))
    difference_quotients(predict, *torch.randn(2, 3, 1, 8, 8), 0, 10)
    assert asked == [10.0, 0.0]
    asked.clear()
    solved(predict, torch.randn(3, 1, 8, 8), 100, 5)
    assert asked == pytest.approx(np.linspace(100, predict.schedule.t_stop, 5).tolist(), rel=1e-6)
    assert asked[-1] > 2


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
    found = {
        method: probed("lipschitz", write_weights(tmp_path / method, method), images, PAPER)
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


# Stability


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
    found = solved(predict, x, 100, nfe)
    assert predict.nfe == nfe
    if nfe == 1:
        assert torch.equal(found, predicted(predict, x, 100))


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


# Solver error


def shared_noise_prediction(schedule, edges):
    """The mixture's eps*(x, f(t)): a network that has learned the best prediction at each left end."""
    plain, condition = MIXTURE.predictor(schedule), shared(edges)
    return lambda x, t: plain(x, float(condition(np.float64(t))))


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
    found = reference(MIXTURE.predictor(schedule), schedule, start(4), 600, [])
    assert float(distances(found, exact).max()) < 3e-5


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
    found = probed("solver-error", write_weights(tmp_path / "etsdm", "etsdm"), images, spec)
    assert (found["n"], found["reference_nfe"]) == (2, 600)
    coarse, fine, fast, *singlestep = found["points"]
    assert (coarse["solver"], coarse["nfe"], coarse["parameters"]) == ("ddim", 5, {"grid": "uniform", "eta": 0.0})
    assert fast["parameters"] == {"grid": "log-snr", "lower_order_final": True}
    assert coarse["error"] > fine["error"] > fast["error"] > found["reference_error"] > 0
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
    asked = {"images": 1, "solvers": [{"name": "ddim", "nfe": 2}], "reference_nfe": 60}
    with pytest.raises(UserError, match="no ODE"):
        probed("solver-error", tmp_path / "shared", images, asked)
