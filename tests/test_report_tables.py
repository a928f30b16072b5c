"""Tables and findings of the report, against hand computation."""

import html
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_made import write_measurement, write_results
from reports import (
    REASON,
    configuration,
    findings_by_claim,
    k_of,
    measure,
    read,
    read_cell,
    write_report,
)
from scipy import stats

from etsdm.report import contents
from etsdm.report.cells import cells
from etsdm.report.text import mean_sd, number, short_count


@pytest.fixture(scope="module")
def text(built: tuple[Path, Path]) -> str:
    return (built[0] / "report.html").read_text(encoding="utf-8")


def test_distance_table_equals_hand_computation(built: tuple[Path, Path]) -> None:
    cell = read_cell(built[0], "fast-sampling", solver="ddim", nfe=50, method="etsdm", metric="fd-classifier-1k")
    assert cell["mean"] == pytest.approx(0.32)
    assert cell["sd"] == pytest.approx(0.04 / math.sqrt(2))
    assert cell["n"] == 2
    assert cell["seeds"] == "3 7"
    assert cell["values"] == "0.3 0.34"
    # From 0.40 to 0.30 and to 0.34: the geometric mean of the ratios.
    ratio = math.sqrt(0.75 * 0.85)
    assert (cell["change"], cell["change_unit"]) == (pytest.approx(100 * (ratio - 1)), "%")
    # One block of two methods: the floor is the paired t. Half the difference of the two logs is its standard error.
    half = 12.7062 * math.log(0.85 / 0.75) / 2
    ends = [100 * (ratio * math.exp(end) - 1) for end in (-half, half)]
    assert (cell["change_low"], cell["change_high"]) == pytest.approx(ends, rel=1e-4)
    assert cell["tests"] == 2, "cells with both seeds, of the metric that verdicts are made of"
    assert cell["p"] == pytest.approx(min(1, 2 * stats.ttest_rel(np.log([0.3, 0.34]), np.log([0.4, 0.4])).pvalue))
    assert cell["published"] == 19.34
    assert cell["published_change"] == pytest.approx(100 * (19.34 / 21.80 - 1))
    assert cell["verdict"] == "undecided"
    assert cell["seconds"] == 5


def test_replicates_of_the_bootstrap_reach_the_cells(built: tuple[Path, Path]) -> None:
    rows = read(built[0]).rows
    where = (rows["solver"] == "ddim") & (rows["nfe"] == 50) & (rows["method"] == "etsdm")
    assert list(rows[where & (rows["metric"] == "fd-classifier-1k")]["bootstrap"]) == [
        "0.315 0.3 0.33",
        "0.357 0.34 0.374",
    ]
    assert rows[rows["metric"] == "kd-classifier-1k"]["bootstrap"].isna().all()
    frechet, kernel = (row for _, row in cells(rows[where]).iterrows())
    assert frechet["bootstrap_by_seed"] == {3: (0.315, 0.3, 0.33), 7: (0.357, 0.34, 0.374)}
    assert kernel["bootstrap_by_seed"] == {}


def test_published_fid_does_not_stand_beside_a_kernel_distance(built: tuple[Path, Path]) -> None:
    cell = read_cell(built[0], "fast-sampling", solver="ddim", nfe=50, method="etsdm", metric="kd-classifier-1k")
    assert math.isnan(cell["published"])


def report_with(folder: Path, distances: list[str]) -> Path:
    """The report of the hand-chosen values, as if these distances had been measured."""
    config = configuration()
    config["evaluation"]["distances"] = distances
    write_report(report := write_results(folder, config, measure), folder)
    return report


def test_a_share_changes_by_a_difference_and_the_title_says_that_higher_is_better(tmp_path: Path) -> None:
    report = report_with(tmp_path, ["frechet", "precision", "memorisation"])
    where = {"solver": "ddim", "nfe": 50, "method": "etsdm"}
    cell = read_cell(report, "fast-sampling", metric="precision-classifier-1k", **where)
    assert cell["mean"] == pytest.approx(0.32e-3)
    assert pd.isna(cell["change_unit"]) and pd.isna(cell["verdict"])
    assert cell["change"] == pytest.approx(-0.08e-3), "from 0.4e-3 to 0.32e-3"
    title = (report / "tables" / "fast-sampling.md").read_text(encoding="utf-8")
    assert "; lower is better (higher for precision-classifier-1k). " in title
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "<summary>precision-classifier-1k (higher is better)" in page
    assert "<summary>memorisation-classifier-1k (lower is better)" in page
    assert "with the whole data set; lower is better." in page, "figures show the Frechet distance"
    assert "precision-classifier-1k: Precision: share of generated images" in page


def test_a_report_of_shares_alone_draws_them(tmp_path: Path) -> None:
    report = report_with(tmp_path, ["recall"])
    assert "with the whole data set; higher is better." in (report / "report.html").read_text(encoding="utf-8")


def test_published_fid_does_not_stand_beside_another_data_set(built: tuple[Path, Path]) -> None:
    assert pd.read_csv(built[0] / "tables" / "comparison.csv")["published"].isna().all()


def test_lipschitz_table_equals_hand_computation(built: tuple[Path, Path]) -> None:
    ddpm = read_cell(built[0], "lipschitz", method="ddpm", metric="K", t=10)
    assert ddpm["mean"] == pytest.approx(12.6)  # 12.0 and 13.2
    assert ddpm["sd"] == pytest.approx(1.2 / math.sqrt(2))
    assert ddpm["published"] == 23.5
    scaled = read_cell(built[0], "lipschitz", method="ddpm", metric="K-per-sqrt-dimension", t=10)
    assert scaled["mean"] == pytest.approx(12.6 / 8)
    assert read_cell(built[0], "lipschitz", method="etsdm", metric="K", t=30)["mean"] == 0


def test_cost_table_counts_each_run_once(built: tuple[Path, Path]) -> None:
    training = read_cell(built[0], "costs", stage="training", method="ddpm")
    assert (training["n"], training["seconds_mean"], training["seconds_sd"]) == (2, 60, 0)
    sampling = read_cell(built[0], "costs", stage="sampling", method="ddpm", what="ddim", nfe=200)
    assert (sampling["n"], sampling["seconds_mean"]) == (2, 20)


def test_failed_cell_is_na_with_its_reason_and_the_rest_is_there(built: tuple[Path, Path], text: str) -> None:
    where = {"solver": "dpm-solver-3", "nfe": 20, "metric": "fd-classifier-1k"}
    failed = read_cell(built[0], "fast-sampling", method="etsdm", **where)
    assert failed["reason"] == f"seed 7: {REASON}"
    assert failed["n"] == 1
    assert failed["verdict"] == "undecided"  # one seed is left
    assert read_cell(built[0], "fast-sampling", method="ddpm", **where)["n"] == 2
    assert REASON in (built[0] / "tables" / "fast-sampling.md").read_text(encoding="utf-8")
    assert html.escape(REASON) in text
    assert "1 of 20 measurements have no value" in text


def test_files_are_those_that_the_configuration_announces(built: tuple[Path, Path]) -> None:
    report = built[0]
    inventory = json.loads((report / "inventory.json").read_text())
    assert contents.table_names(inventory) == ["verdicts", "lipschitz", "comparison", "fast-sampling", "data", "costs"]
    expected = {f"{name}.{kind}" for name in contents.table_names(inventory) for kind in ("csv", "md", "tex")}
    assert {file.name for file in (report / "tables").iterdir()} == expected
    expected = {f"{name}.{kind}" for name in contents.figure_names(inventory) for kind in ("png", "svg")}
    assert {file.name for file in (report / "figures").iterdir()} == expected


def test_an_experiment_that_is_not_asked_for_has_no_files() -> None:
    inventory = {"config": {"experiments": {"lipschitz": {"images": 1}, "comparison": None, "fast-sampling": None}}}
    assert contents.table_names(inventory) == ["verdicts", "lipschitz", "data", "costs"]
    assert contents.figure_names(inventory) == ["verdicts", "lipschitz", "data", "losses"]


def test_latex_has_no_character_outside_ascii(built: tuple[Path, Path]) -> None:
    for file in (built[0] / "tables").glob("*.tex"):
        assert file.read_text(encoding="utf-8").isascii(), file.name


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (23.456, "23.5"),
        (1234.5, "1234"),
        (0.04567, "0.0457"),
        (-0.5, "−0.500"),
        (2.5e-4, "2.50e−4"),
    ],
)
def test_numbers_for_people(value: float, words: str) -> None:
    assert number(value) == words


def test_counts_on_an_axis_are_short() -> None:
    counts = {0: "0", 800: "800", 1000: "1k", 56_000: "56k", 999_000: "999k", 1_000_000: "1M", 1_500_000: "1.5M"}
    assert [short_count(count) for count in counts] == list(counts.values())


@pytest.mark.parametrize(
    ("mean", "sd", "words"),
    [
        (0.2561, 0.0241, "0.256 ± 0.024"),
        (12.6, 0.849, "12.60 ± 0.85"),
        (2.561e-4, 2.41e-5, "(2.56 ± 0.24)e−4"),
        (0.5, float("nan"), "0.500"),
        (float("nan"), float("nan"), "NA"),
    ],
)
def test_means_for_people(mean: float, sd: float, words: str) -> None:
    assert mean_sd(mean, sd) == words


# ---------------------------------------------------------------- findings


def test_findings_equal_hand_computation(built: tuple[Path, Path]) -> None:
    by_claim = findings_by_claim(built[0])
    growth = by_claim["The time-Lipschitz constant K of DDPM explodes towards t = 0."]
    # K = 120 / t, times 1.1 for the second seed; the paper's goes as t to the power -1.56.
    assert growth.verdict == "same direction and size"
    assert growth.role == "primary"
    assert "Over the 10 pairs up to t = 100" in growth.measured
    assert "as t to the power −1.000, 95 % interval −1.000 to −1.000" in growth.measured
    assert "paper, other data and network: −1.56" in growth.measured
    assert "it rises by a factor of 10 and 10 (2 seeds; paper: 35)" in growth.measured
    zero = by_claim["Sharing the condition makes K zero inside each sub-interval."]
    assert (zero.verdict, zero.role) == ("same direction and size", "")
    assert "t = 10, 30, 50, 70 and 90, 2 seeds" in zero.measured
    largest = by_claim["E-TSDM lowers the largest K."]
    # 6.0 at t = 20 instead of 12.0 at t = 10. The paper: 0.48 instead of 23.5, more than twice as much in logs.
    assert (largest.verdict, largest.role) == ("same direction", "exploratory")
    assert "Change −50.0 %" in largest.measured
    assert "paper: −98.0 %" in largest.measured
    datasets = by_claim["E-TSDM lowers the distance to the data on every data set."]
    assert datasets.verdict == "opposite"
    assert "is not lower than DDPM's (mean over" in datasets.measured
    logs = np.log([0.25 / 0.20, 0.27 / 0.22])
    low, high = 100 * np.expm1(stats.ttest_1samp(logs, 0).confidence_interval(0.95))
    assert f"95 % interval +{low:.1f} to +{high:.1f} % (each seed: +25.0 %, +22.7 %)" in datasets.measured
    assert f"Primary: p = {stats.ttest_1samp(logs, 0).pvalue:.3f}." in datasets.measured
    fast = by_claim["E-TSDM lowers the distance under few-step solvers."]
    # Seed 3: logs of 0.30 / 0.40 and 0.35 / 0.30; seed 7: of 0.34 / 0.40 and 0.45 / 0.50.
    seeds = [100 * (math.sqrt(ratio) - 1) for ratio in (0.75 * 0.35 / 0.30, 0.85 * 0.9)]
    assert f"(each seed: {seeds[0]:.1f} %, {seeds[1]:.1f} %); paper: −27.5 %".replace("-", "−") in fast.measured
    assert "Left out, as a value is missing: 1 of 3 cells" in fast.measured
    assert fast.verdict == "undecided"
    assert re.search(r"This run would have called [\d.]+ % or more with a probability of 80 %\.", fast.measured)
    steps = by_claim["With more evaluations of a fast solver, DDPM gets worse."]
    assert "Under ddim (50 to 200 NFE), DDPM's" in steps.measured
    # From 0.40 to 0.30 in one seed, to 0.50 in the other.
    assert (steps.verdict, steps.role, steps.tests) == ("undecided", "exploratory", 2)
    assert by_claim["E-TSDM raises the PSNR of super-resolution."].verdict == "not run"


def test_a_k_that_is_not_zero_is_found(tmp_path: Path) -> None:
    def leaky(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        def k(*where: Any) -> float:
            return max(k_of(*where), 1e-9)

        write_measurement(results, inventory, measurement, k=k)

    report = write_results(tmp_path, configuration(), leaky)
    zero = findings_by_claim(report)["Sharing the condition makes K zero inside each sub-interval."]
    assert zero.verdict == "opposite"
    assert "1.00e−9" in zero.measured
