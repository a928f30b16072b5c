"""The cost model: jobs, hours and disk by hand computation, and rates that are really measured."""

import copy
import math
from typing import Any

import pytest
from configs import TINY, tiny

from etsdm.cost.describe import describe
from etsdm.cost.disk import BYTES_A_VALUE, BYTES_AN_IMAGE
from etsdm.cost.estimate import count_parameters, estimate
from etsdm.cost.jobs import jobs
from etsdm.cost.rates import Rates, Shape, Speed, given_rates, measure_rates, shape_of
from etsdm.errors import UserError
from etsdm.fingerprint import ROOT
from etsdm.plan.plan import Plan, load_plan, make_plan
from etsdm.probes.lipschitz import Pairs, pairs

DIGITS = Shape(1, 8)
RATES = Rates("a device", {DIGITS: Speed(train=64.0, sample=140.0)}, {"inception": 10.0})
COST = {"device": "a device", "resolution": 16, "train": 100.0, "sample": 1000.0, "features": 50.0}
MODEL = TINY["experiments"]["lipschitz"]


def plan_of(experiments: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """The plan of the tiny benchmark with other experiments."""
    values = copy.deepcopy(tiny(**changes))
    return make_plan(values if experiments is None else values | {"experiments": experiments}, "test", look=False)


def photos(**settings: Any) -> dict[str, Any]:
    """A folder that is not there."""
    return {"source": "folder", "path": "not there", "resolution": 32, "resize": "box"} | settings


def restoring(test: str) -> dict[str, Any]:
    """Super-resolution of the data set `test`."""
    solvers = [{"name": "ddim", "nfe": [7]}]
    block = {"train": "digits", "test": test, "factor": 2, "methods": ["ddpm"], "solvers": solvers}
    return {"super-resolution": block}


def test_jobs_are_those_of_the_workflow():
    assert jobs(plan_of()) == {
        **{
            "prepare": 1,
            "encoder": 1,
            "train": 2,
            "sample": 4,
            "sample_features": 4,
            "reference_features": 1,
            "reference": 1,
        },
        **{"score": 4, "probe": 2, "rows": 1, "tables": 1, "figure": 7, "page": 1, "all": 1},
    }


def test_hours_and_disk_by_hand():
    sampled, probed = estimate(plan_of(), RATES)
    assert (sampled.experiment, sampled.trainings, sampled.sample_sets, sampled.probes) == ("fast-sampling", 2, 4, 0)
    training, sampling = 2 * 256 / 64, 4 * 70 * 2 / 140
    assert sampled.seconds == pytest.approx(training + sampling)
    images = (1797 + 4 * 70) * (64 * BYTES_A_VALUE + BYTES_AN_IMAGE) + 1797 * 64  # in archives, and decoded
    features = (1797 + 4 * 70) * 64 * 4
    weights = 2 * 4 * count_parameters(next(iter(plan_of().models.values())))
    assert sampled.bytes == pytest.approx(images + features + weights)

    assert (probed.experiment, probed.trainings, probed.probes) == ("lipschitz", 2, 2)
    probing = 2 * 8 * 2 * (10 + 3) / 140  # networks, images, both ends of ten fine and three coarse pairs
    assert probed.seconds == pytest.approx(probing)


def test_snapshots_take_disk_and_no_training():
    plan = plan_of(
        {"progress": MODEL | {"methods": ["ddpm"], "solvers": [{"name": "ddim", "nfe": [2]}]}},
        **{"training.snapshots": {"images": [64, 256], "ema_half_lives": [128, 8]}},
    )
    counts = jobs(plan)
    assert [counts[rule] for rule in ("train", "snapshot", "sample", "score", "probe")] == [1, 3, 4, 4, 4]
    (row,) = estimate(plan, RATES)
    assert (row.trainings, row.sample_sets, row.probes) == (1, 4, 4)
    assert row.seconds == pytest.approx(256 / 64 + 4 * 70 * 2 / 140 + 4 * 8 * 26 / 140)
    images = (1797 + 4 * 70) * (64 * BYTES_A_VALUE + BYTES_AN_IMAGE) + 1797 * 64
    weights = 4 * 4 * count_parameters(next(iter(plan.models.values())))
    assert row.bytes == pytest.approx(images + (1797 + 4 * 70) * 64 * 4 + weights)


def test_a_shared_training_is_counted_once_and_said_to_be_shared():
    sampled, probed = estimate(plan_of(), RATES)
    assert (sampled.shared, sampled.new_trainings) == ({}, 2)
    assert (probed.shared, probed.new_trainings) == ({"fast-sampling": 2}, 0)
    assert probed.alone == pytest.approx(probed.seconds + 2 * 256 / 64)
    assert sampled.alone == sampled.seconds
    alone = estimate(plan_of({"lipschitz": MODEL}), RATES)
    assert [row.seconds for row in alone] == [pytest.approx(probed.alone)]
    text = describe(plan_of(), RATES)
    assert "2 trainings, 2 of them shared between experiments." in text
    assert "2 shared with fast-sampling" in text


def test_the_last_batch_is_a_whole_one():
    (row,) = estimate(plan_of({"lipschitz": MODEL | {"methods": ["ddpm"]}}, **{"training.images": 257}), RATES)
    assert row.seconds == pytest.approx(288 / 64 + 8 * 26 / 140)


def test_regularization_trains_longer_by_its_share_of_the_times():
    def training(method: Any) -> float:
        (row,) = estimate(plan_of({"lipschitz": MODEL | {"methods": [method]}}), RATES)
        return row.seconds - 8 * 26 / 140

    assert training("ddpm") == pytest.approx(4.0)
    assert training({"name": "regularization", "t_tilde": 250}) == pytest.approx(4.0 * 1.5)


def test_evaluations_of_the_other_probes():
    model = {"datasets": ["digits"], "methods": ["ddpm"]}
    solvers = [{"name": "ddim", "nfe": [5, 10]}]
    plan = plan_of(
        {
            "stability": model | {"images": 14, "stds": [0.1, 0.2], "nfe": 9},
            "solver-error": model | {"images": 7, "solvers": solvers, "reference_nfe": 90},
            "mismatch": model | {"images": 7, "t": [20, 95], "offsets": [-50, 5, 10]},
            "x-lipschitz": model | {"images": 7, "fine_until": 30, "coarse_until": 100, "iterations": 4},
            "theory": {"schedules": ["linear"], "times": ["discrete"]},
        }
    )
    stability, mismatch, x_lipschitz, solver_error, theory = estimate(plan, RATES)
    assert stability.seconds == pytest.approx(256 / 64 + 14 * 3 * 10 / 140)
    assert mismatch.seconds == pytest.approx(7 * (3 + 4) / 140)
    assert x_lipschitz.seconds == pytest.approx(7 * (2 * 4 + 3 * (1 + 7 * 4)) / 140)
    assert solver_error.seconds == pytest.approx(7 * (90 + 45 + 15) / 140)
    assert (theory.seconds, theory.bytes, jobs(plan)["theory"]) == (0, 0, 1)


def test_pairs_of_times_are_those_of_the_probe():
    spec = {"images": 1, "fine_step": 30, "fine_until": 90, "coarse_step": 40, "coarse_until": 200}
    (row,) = estimate(plan_of({"lipschitz": MODEL | {"methods": ["ddpm"]} | spec}), RATES)
    assert row.seconds == pytest.approx(256 / 64 + 2 * len(pairs(Pairs.model_validate(spec))) / 140)


def test_restorations_depend_on_the_number_of_test_images():
    bundled = {"source": "bundled", "bundle": "digits"}
    datasets = {"digits": bundled, "held-out": bundled | {"split": "test"}}
    plan = plan_of(restoring("held-out"), datasets=datasets)
    rates = Rates("a device", {Shape(2, 8): Speed(64.0, 140.0)}, {})
    (row,) = estimate(plan, rates)
    assert row.seconds == pytest.approx(256 / 64 + 296 * 7 / 140)
    assert (row.sample_sets, jobs(plan)["restore"], jobs(plan)["compare"], jobs(plan)["prepare"]) == (1, 1, 1, 2)


def test_inception_features_cost_and_an_unknown_number_of_images_is_left_out_and_said():
    changes = {
        "datasets": {"digits": photos()},
        "evaluation": {"samples": 2049, "encoders": ["inception"], "distances": ["kernel"]},
    }
    shape = Shape(3, 32)
    rates = Rates("a device", {shape: Speed(64.0, 140.0)}, {"inception": 10.0})
    without = plan_of(**changes)
    assert "left out: digits." in describe(without, rates)
    counted = plan_of(**changes, cost=COST | {"images": {"digits": 3000}})
    assert "left out" not in describe(counted, rates)
    less, more = (estimate(plan, rates)[0] for plan in (without, counted))
    assert less.seconds == pytest.approx(2 * 256 / 64 + 4 * 2049 * 2 / 140 + 4 * 2049 / 10)
    assert more.seconds - less.seconds == pytest.approx(3000 / 10)
    image = 3 * 32**2 * (BYTES_A_VALUE + 1) + BYTES_AN_IMAGE
    assert more.bytes - less.bytes == pytest.approx(3000 * (2048 * 4 + image))


def test_given_rates_scale_with_the_number_of_pixels():
    sizes = {
        "resolution": TINY["experiments"]["fast-sampling"] | {"resolutions": [16, 32], "images": 8},
    }
    plan = plan_of(sizes, datasets={"digits": photos()}, cost=COST)
    rates = given_rates(plan)
    speeds = {Shape(3, 16): Speed(100.0, 1000.0), Shape(3, 32): Speed(25.0, 250.0)}
    assert rates == Rates("a device", speeds, {"inception": 50.0, "inception-legacy": 50.0, "dinov2": 50.0 / 14})


def test_without_rates_there_are_no_hours():
    plan = plan_of()
    assert given_rates(plan) is None
    text = describe(plan, None)
    assert "alone" not in text
    assert "--measure" in text
    assert {row.seconds for row in estimate(plan, None)} == {0}


def test_a_given_number_of_images_is_of_a_data_set_there_is():
    with pytest.raises(UserError, match=r"cost.images: no data set 'digit'; allowed: digits; did you mean"):
        plan_of(cost=COST | {"images": {"digit": 3000}})


def test_measured_rates_are_those_of_this_machine():
    rates = measure_rates(plan_of(), "cpu", progress=False)
    assert set(rates.speeds) == {DIGITS}
    assert all(0 < rate < math.inf for rate in rates.speeds[DIGITS])
    assert rates.features == {}
    assert "measured" in rates.device
    assert rates.device in describe(plan_of(), rates)


@pytest.mark.slow
def test_the_inception_network_is_measured_where_it_is_asked_for():
    changes = {"evaluation": {"samples": 2049, "encoders": ["inception"], "distances": ["kernel"]}}
    rates = measure_rates(plan_of(**changes), "cpu", progress=False)
    assert 0 < rates.features["inception"] < math.inf


def test_a_conditional_network_is_measured_too():
    rates = measure_rates(plan_of(restoring("digits")), "cpu", progress=False)
    assert set(rates.speeds) == {Shape(2, 8)}


def test_the_paper_expands_without_its_data():
    plan = load_plan(ROOT / "config" / "paper.yaml", look=False)
    rows = estimate(plan, given_rates(plan))
    assert {row.experiment for row in rows} == set(plan.config.experiments.by_name())
    assert sum(row.new_trainings for row in rows) == len(plan.models)
    assert all(row.seconds <= row.alone for row in rows)
    text = describe(plan, given_rates(plan))
    assert "left out" not in text
    assert "assumed, not measured" in text


def test_the_network_of_the_paper_has_its_number_of_parameters():
    plan = load_plan(ROOT / "config" / "paper.yaml", look=False)
    model = next(run for run in plan.models.values() if shape_of(run) == Shape(3, 256))
    assert count_parameters(model) == 93_560_451
