"""The probe of a wrong condition, and what the report says of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hand_made import write_measurement, write_results
from pydantic import ValidationError
from reports import SEEDS, every_experiment, fail, read, read_cell, write_report
from torch import Tensor
from trained import write_weights

from etsdm.data.archive import write_images
from etsdm.diffusion.predictions import PREDICTIONS
from etsdm.diffusion.predictor import NoisePredictor
from etsdm.diffusion.schedules import make_schedule
from etsdm.diffusion.sharing import shared
from etsdm.errors import UserError
from etsdm.probes import PROBES
from etsdm.probes.inputs import noised
from etsdm.probes.mismatch import Offsets, cases, predicted, squared_errors
from etsdm.probes.stability import predicted as predicted_at
from etsdm.report.findings.judge import findings

LINEAR = make_schedule("linear", 1000, 8)
DEFAULTS = Offsets.model_validate({"images": 1})


def start() -> tuple[Tensor, Tensor]:
    """x_0 and noise, float64 (3, 1, 4, 4) each."""
    x0, eps = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x0, eps


# ---------------------------------------------------------------- the probe


@pytest.mark.parametrize("offset", [-20, 0, 5, 50])
def test_an_error_of_the_noise_that_grows_with_the_offset_is_one_of_x0(offset: int) -> None:
    """eps + c (condition - t) moves x_0 by sigma_t / alpha_t times c offset, at the levels of t."""
    t, slope = 70, 0.01
    x0, eps = start()
    predict = NoisePredictor(lambda x, condition: eps + slope * (condition.view(-1, 1, 1, 1) - t), LINEAR)
    expected = (float(LINEAR.sigma(t) / LINEAR.alpha(t)) * slope * offset) ** 2
    errors = squared_errors(predict, noised(LINEAR, x0, eps, t), x0, t, offset)
    torch.testing.assert_close(errors, torch.full((3,), expected, dtype=torch.float64), rtol=1e-6, atol=1e-20)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_the_output_is_read_at_the_levels_of_t_whatever_is_predicted(name: str) -> None:
    t, prediction = 200, PREDICTIONS[name]
    x0, eps = start()
    alpha, sigma = (torch.tensor(float(level(t)), dtype=torch.float64) for level in (LINEAR.alpha, LINEAR.sigma))
    target = prediction.target(x0, eps, alpha, sigma)
    predict = NoisePredictor(lambda x, condition: target, LINEAR, prediction=prediction)
    x = noised(LINEAR, x0, eps, t)
    torch.testing.assert_close(predicted(predict, x, t, 50), x0)
    torch.testing.assert_close(predicted(predict, x, t, 0), predicted_at(predict, x, t))


def test_the_condition_is_that_of_the_wrong_time() -> None:
    """f(t + offset), and not f(t) + offset."""
    conditions: list[float] = []

    def network(x: Tensor, condition: Tensor) -> Tensor:
        conditions.append(condition[0].item())
        return x

    predict = NoisePredictor(network, LINEAR, shared([0.0, 20.0, 40.0]))
    for offset in (-30, -5, 0, 5, 6, 20):
        predicted(predict, start()[0], 34, offset)
    assert conditions == [0.0, 20.0, 20.0, 20.0, 40.0, 54.0]


def test_an_offset_that_leaves_the_trained_times_is_left_out() -> None:
    spec = Offsets.model_validate({"images": 1, "t": [20, 990], "offsets": [10, -50, -20, 9]})
    measured, outside = cases(spec, LINEAR)
    assert measured == [(20, 0), (20, -20), (20, 9), (20, 10), (990, 0), (990, -50), (990, -20), (990, 9)]
    assert outside == [(20, -50), (990, 10)]
    continuous = make_schedule("linear", 1000, 8, "continuous", tau_min=2e-3)
    assert (20, -20) in cases(spec, continuous)[1], "nothing is trained below t_min = 2"


def test_the_usual_times_prefer_no_place_in_the_usual_sub_intervals() -> None:
    assert [t % 20 for t in DEFAULTS.t if t < 100] == [0, 5, 10, 15]
    assert sorted(DEFAULTS.offsets) == sorted(-offset for offset in DEFAULTS.offsets)


def test_an_offset_of_zero_need_not_be_given() -> None:
    with pytest.raises(ValidationError, match="0 is always measured"):
        Offsets.model_validate({"images": 1, "offsets": [0, 5]})


def test_evaluations_are_those_of_the_cases() -> None:
    spec = PROBES.read({"probe": "mismatch", "images": 1})
    assert spec.evaluations() == len(cases(DEFAULTS, LINEAR)[0]) == 5 * 9 - 2


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path / "images.zip", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8))
    return tmp_path / "images.zip"


def test_the_probe_of_a_network_on_disk(tmp_path: Path, images: Path) -> None:
    """The same network conditioned as etsdm repeats itself inside a sub-interval of 20 steps, and nowhere else."""
    spec = PROBES.read({"probe": "mismatch", "images": 6, "t": [20, 45], "offsets": [-50, -10, -5, 5, 20]})
    ddpm, etsdm = (
        PROBES.load("mismatch").probe(write_weights(tmp_path / method, method), images, spec, "cpu", progress=False)
        for method in ("ddpm", "etsdm")
    )
    assert json.loads(json.dumps(ddpm)) == ddpm
    assert (ddpm["n"], ddpm["left_out"]) == (6, [{"t": 20, "offset": -50}, {"t": 45, "offset": -50}])
    free = {(p["t"], p["offset"]) for p in etsdm["points"] if p["excess"] == p["excess_std"] == 0}
    assert free == {(20, 0), (20, 5), (45, 0), (45, -5), (45, 5)}
    assert {(p["t"], p["offset"]) for p in ddpm["points"] if p["excess"] == 0} == {(20, 0), (45, 0)}
    for points in (ddpm["points"], etsdm["points"]):
        right = {p["t"]: p["error"] for p in points if p["offset"] == 0}
        for p in points:
            assert p["excess"] == pytest.approx(p["error"] - right[p["t"]], abs=1e-12)
            assert p["error"] > 0 and p["error_std"] > 0
    by_case = [{(p["t"], p["offset"]): p["error"] for p in measurement["points"]} for measurement in (ddpm, etsdm)]
    assert by_case[1][20, 0] == by_case[0][20, 0], "20 is a left end, so both are given 20"
    assert by_case[1][45, 0] == by_case[1][45, 5] == by_case[0][45, -5], "45 and 50 are given as 40"


def test_a_time_beyond_the_schedule_is_refused(tmp_path: Path, images: Path) -> None:
    spec = PROBES.read({"probe": "mismatch", "images": 1, "t": [1000]})
    with pytest.raises(UserError, match="t = 1000 lies outside the times of the network's linear schedule"):
        PROBES.load("mismatch").probe(write_weights(tmp_path / "weights"), images, spec, "cpu", progress=False)


# ---------------------------------------------------------------- the report


def excess(model: dict[str, Any], t: int, offset: int) -> float:
    """|offset| / 1000 for ddpm. For etsdm a tenth more in the second seed, and 0 where f(t + offset) = f(t)."""
    method = model["method"]
    condition = shared([0.0, 20.0, 40.0, 60.0, 80.0, 100.0]) if method["name"] == "etsdm" else np.float64
    moved = abs(float(condition(np.float64(t + offset)) - condition(np.float64(t))))
    return moved / 1000 * (1.1 if method["name"] == "etsdm" and model["seed"] == SEEDS[1] else 1.0)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the experiment alone, on values that follow `excess`."""
    results = tmp_path_factory.mktemp("mismatch")

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        write_measurement(results, inventory, measurement)
        spec = PROBES.read(inventory["probes"][measurement["run"]])
        model = inventory["models"][measurement["model"]]
        points = [
            {"t": t, "offset": offset, "error": 0.5 + extra, "excess": extra}
            for t, offset in cases(spec, LINEAR)[0]
            for extra in [excess(model, t, offset)]
        ]
        (results / measurement["file"]).write_text(json.dumps({"n": 4, "points": points}))

    experiment = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"], "images": 4, "t": [45, 200]}
    config = every_experiment() | {"experiments": {"mismatch": experiment | {"offsets": [-20, -5, 5, 20]}}}
    folder = write_results(results, config, measure)
    write_report(folder, results)
    return folder


def test_the_primary_finding_is_the_ratio_of_mean_excess_errors_below_t_tilde(report: Path) -> None:
    """At t = 45 the offsets move ddpm by 20, 5, 5 and 20 steps, and etsdm by 20, 0, 0 and 20: -20 % and -12 %."""
    cheaper = next(f for f in findings(read(report)) if f.claim.short == "a wrong condition costs less")
    assert cheaper.role == "primary" and cheaper.change is not None
    assert list(cheaper.change.by_seed.values()) == pytest.approx([-20.0, -12.0])
    assert "is lower than DDPM's (mean over" in cheaper.measured


def test_what_is_free_inside_sub_intervals_is_exact(report: Path) -> None:
    free = next(f for f in findings(read(report)) if f.claim.short.startswith("a wrong condition is free"))
    assert free.verdict == "same direction and size"
    assert "exactly 0 where t and t + offset lie in one sub-interval: 2 cells, 2 seeds" in free.measured


def test_rows_and_table_hold_the_offset(report: Path) -> None:
    rows = pd.read_csv(report / "rows.csv")
    assert set(rows[rows["metric"] == "error-predicted"]["condition_offset"]) == {-20, -5, 0, 5, 20}
    assert set(rows[rows["metric"] == "excess-predicted"]["condition_offset"]) == {-20, -5, 5, 20}
    cell = read_cell(report, "mismatch", method="etsdm", metric="excess-predicted", t=45, condition_offset=-20)
    assert cell["mean"] == pytest.approx(0.021)
    text = (report / "tables" / "mismatch.md").read_text(encoding="utf-8")
    assert "| Offset" in text and "+20" in text


def test_a_failed_probe_is_na_at_every_offset(tmp_path: Path) -> None:
    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        broken = inventory["models"][measurement["model"]]
        if broken["method"]["name"] == "etsdm" and broken["seed"] == SEEDS[1]:
            fail(results, measurement)
        else:
            write_measurement(results, inventory, measurement)

    experiment = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"], "images": 4}
    folder = write_results(tmp_path, every_experiment() | {"experiments": {"mismatch": experiment}}, measure)
    rows = pd.read_csv(folder / "rows.csv")
    failed = rows[rows["value"].isna()]
    assert len(failed) == len(rows) / 4 and failed["condition_offset"].notna().all()
