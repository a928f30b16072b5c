"""The report of every experiment, whole, alone and failed, and of snapshots."""

import html
import json
import re
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hand_made import write_measurement, write_results
from reports import (
    EXPERIMENTS,
    REASON,
    SEEDS,
    every_experiment,
    fail,
    read,
    read_cell,
    report_in,
    write_report,
)
from scipy.stats import permutation_test, spearmanr
from shared import shared
from tiers import every_nth_fast

from etsdm.report import contents
from etsdm.report.figures.by_images import draw_by_images
from etsdm.report.figures.style import STYLE
from etsdm.report.findings.judge import findings
from etsdm.report.rows import collect_rows
from etsdm.report.side_by_side import permuted, rank_correlations, sides
from etsdm.report.tables.write import write_tables


@pytest.fixture(scope="module")
def every() -> Path:
    """The report of every experiment; of each, the last measurement failed."""

    def measure_but_last(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        last = [m["file"] for m in inventory["measurements"] if m["experiment"] == measurement["experiment"]][-1]
        if measurement["file"] == last and measurement["experiment"] != "theory":
            fail(results, measurement)
        elif not (results / measurement["run"] / "run.log").exists():  # a run may serve several experiments
            write_measurement(results, inventory, measurement)

    def build(results: Path) -> None:
        write_report(write_results(results, every_experiment(), measure_but_last), results)

    return report_in(shared("every-experiment", build))


def test_every_experiment_has_its_table_figures_and_section(every: Path) -> None:
    inventory = json.loads((every / "inventory.json").read_text())
    assert contents.table_names(inventory) == ["verdicts", *EXPERIMENTS, "data", "costs"]
    text = (every / "report.html").read_text(encoding="utf-8")
    for name in contents.table_names(inventory):
        assert (every / "tables" / f"{name}.csv").is_file()
        assert f'<section id="{name}">' in text
    for name in contents.figure_names(inventory):
        assert (every / "figures" / f"{name}.svg").is_file()
        assert f'<figure id="figure-{name}">' in text
    assert len(text) < 8_000_000


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name != "theory"])
def test_failed_cell_of_every_experiment_is_na_with_its_reason(every: Path, experiment: str) -> None:
    table = pd.read_csv(every / "tables" / f"{experiment}.csv")
    failed = table[table["reason"].notna()]
    assert set(failed["reason"]) == {f"seed {SEEDS[1]}: {REASON}"}
    assert set(failed["n"]) == {1}, "the other seed's value stands"
    assert (table[table["reason"].isna()]["n"] == 2).any()
    assert REASON in (every / "tables" / f"{experiment}.md").read_text(encoding="utf-8")


def test_first_page_lists_the_primary_claim_of_each_experiment_with_its_verdict(every: Path) -> None:
    text = (every / "report.html").read_text(encoding="utf-8")
    section = text[text.index('<section id="answer">') : text.index('<section id="limits">')]
    badges = re.findall(r'class="badge [a-z]*">([^<]*)<.*?href="#([a-z-]+)">', section, re.DOTALL)
    assert sorted(experiment for _, experiment in badges) == sorted(EXPERIMENTS)
    primary = [(f.verdict, f.claim.experiment) for f in findings(read(every)) if f.role == "primary"]
    assert set(badges) >= set(primary), "the verdict of each primary claim"
    assert ("same direction and size", "theory") in badges
    assert f"{len(EXPERIMENTS)} experiments" in section
    assert "on cpu (x86_64, 2 CPUs)" in section


def test_findings_of_every_experiment(every: Path) -> None:
    all_findings = findings(read(every))
    assert {finding.claim.experiment for finding in all_findings} == set(EXPERIMENTS)
    by_claim = {finding.claim.short: finding for finding in all_findings}
    assert by_claim["ε* singular where dα/dt is not 0"].verdict == "same direction and size"
    assert by_claim["error below its bound"].verdict == "same direction and size"
    assert by_claim["error of order 1/2 or more"].verdict == "same direction and size"
    # K falls with the square root of the dimension in these files, and the same K is at every size.
    growth = by_claim["K/√d grows with the images"]
    assert growth.verdict == "opposite"
    assert "DDPM's K/√d at t = 10 is not higher at 16 px than at 8 px (mean over" in growth.measured
    assert "Change −50.0 %" in growth.measured
    each = [finding.role for finding in all_findings if finding.claim.short == "E-TSDM beats the alternatives"]
    assert each == ["primary", *["exploratory"] * 3], "all together, then each"
    primary = [finding.claim.experiment for finding in all_findings if finding.role == "primary"]
    assert primary == [name for name in EXPERIMENTS if name != "theory"], "one an experiment"


def test_k_stands_beside_the_distances_of_the_alternatives(every: Path) -> None:
    ddpm = read_cell(every, "alternatives", method="ddpm", metric="fd-classifier-1k")
    k = read_cell(every, "lipschitz", method="ddpm", metric="K", t=10)
    assert ddpm["k_at_10"] == k["mean"]


def test_table_of_theory(every: Path) -> None:
    row = read_cell(every, "theory", flattened=False, time="discrete", n=5)
    assert (row["exponent"], row["error_max"], row["order"]) == (-0.5, 0.1, 1.0)


@pytest.mark.parametrize("experiment", every_nth_fast(EXPERIMENTS, 6))
def test_report_of_one_experiment_alone_with_one_seed(tmp_path: Path, experiment: str) -> None:
    config = every_experiment() | {"seeds": [3], "experiments": {experiment: EXPERIMENTS[experiment]}}
    report = write_results(tmp_path, config)
    write_report(report, tmp_path)
    text = (report / "report.html").read_text(encoding="utf-8")
    assert "have a value" in text
    exact = (
        ("K is 0 inside sub-intervals", "a wrong condition is free inside sub-intervals")
        if experiment != "theory"
        else tuple(f.claim.short for f in findings(read(report)))
    )
    # The budgets here are not those of the paper and of the control.
    others = ("DDPM worse with more steps", "E-TSDM better with more steps", "control: 2M beats DDIM at 10 NFE")
    others += ("A/A: DDPM against itself",)
    for finding in findings(read(report)):
        absent = finding.claim.experiment != experiment or finding.claim.short in others
        assert finding.verdict == ("not run" if absent else "undecided") or finding.claim.short in exact, finding


@pytest.mark.parametrize("experiment", every_nth_fast(EXPERIMENTS, 6))
def test_report_of_one_experiment_that_failed(tmp_path: Path, experiment: str) -> None:
    def failed(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        fail(results, measurement)

    config = every_experiment() | {"experiments": {experiment: EXPERIMENTS[experiment]}}
    report = write_results(tmp_path, config, failed)
    write_report(report, tmp_path)
    text = (report / "report.html").read_text(encoding="utf-8")
    count = len({m["file"] for m in json.loads((report / "inventory.json").read_text())["measurements"]})
    assert f"{count} of {count} measurements have no value" in text
    assert html.escape(REASON) in text
    assert {finding.verdict for finding in findings(read(report))} == {"not run"}
    assert REASON in (report / "tables" / f"{experiment}.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- how the loss counts times, and straight paths


def findings_of(folder: Path, experiment: str, distance: Any, k: Any = lambda model, t_prime, t: 1 / t) -> list[Any]:
    """The findings of one experiment whose values are these functions of the model."""

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        write_measurement(results, inventory, measurement, distance, k)

    config = every_experiment() | {"experiments": {experiment: EXPERIMENTS[experiment]}}
    report = write_results(folder, config, measure)
    return [finding for finding in findings(read(report)) if finding.claim.experiment == experiment]


def test_other_losses_are_compared_with_ddpms_usual_one(tmp_path: Path) -> None:
    """Beta lowers ddpm's distance by a fifth, min-snr raises it by a tenth; sharing lowers all by a tenth."""

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        loss = model["diffusion"]
        factor = (0.8 if "training_times" in loss else 1.0) * (1.1 if "loss_weight" in loss else 1.0)
        return factor * (0.9 if model["method"]["name"] == "etsdm" else 1.0) * (5 + model["seed"])

    all_findings = findings_of(tmp_path, "confound", distance)
    others = [f for f in all_findings if f.claim.primary]
    assert [f.role for f in others] == ["primary", *["exploratory"] * 3]
    assert "in 2 of 3 cells" in others[0].text
    changes = {re.split(" is (?:not )?lower", f.text)[0].split("with ")[-1]: f.change.mean for f in others[1:]}
    assert changes == pytest.approx(
        {"uniform and min-snr-5": 10, "beta-0.8-1 and none": -20, "beta-0.8-1 and min-snr-5": -12}
    )
    (sharing,) = [f for f in all_findings if not f.claim.primary]
    assert sharing.change.mean == pytest.approx(-10) and "in 4 of 4 cells" in sharing.text


def test_sharing_is_compared_with_the_best_that_sampling_alone_gives(tmp_path: Path) -> None:
    """t_end gains a fifth at 4 NFE and loses a tenth at 8, the scale loses a twentieth; sharing gains a tenth."""

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        factor = {4: 0.8, 8: 1.1}[solver["nfe"]] if "t_end" in solver else 1.05 if "eps_scale" in solver else 1.0
        return factor * (0.9 if model["method"]["name"] == "etsdm" else 1.0) * (5 + model["seed"])

    all_findings = findings_of(tmp_path, "no-training", distance)
    (best,) = [f for f in all_findings if f.claim.primary]
    assert best.change.mean == pytest.approx(100 * ((0.9 / 0.8 * 0.9) ** 0.5 - 1)), "t_end is best at 4, none at 8"
    assert "in 1 of 2 cells" in best.text
    each = {
        f.text.split(" is lower")[0]: f.change.mean for f in all_findings if f.claim.short == "gain of an option alone"
    }
    gains = {"stopped at t = 50": 100 * ((0.8 * 1.1) ** 0.5 - 1), "eps / 1.01": 5}
    assert each == pytest.approx({f"DDPM's fd-classifier-1k, {option},": gain for option, gain in gains.items()})
    beside = [f.change.mean for f in all_findings if f.claim.short == "gain of sharing beside an option"]
    assert beside == pytest.approx([-10, -10])


def test_the_growth_of_k_on_a_straight_path_is_compared_by_its_power(tmp_path: Path) -> None:
    """K goes as t to the power -1.03 and -1.07 under linear, and as t to the power -0.25 on the straight path."""

    def k(model: dict[str, Any], t_prime: int, t: int) -> float:
        power = 0.25 if model["diffusion"]["schedule"] == "flow" else 1.0 + 0.01 * model["seed"]
        return float(t**-power)

    all_findings = findings_of(tmp_path, "flow", lambda model, solver: 5.0 + model["seed"], k)
    (tame,) = [f for f in all_findings if f.claim.short == "K grows less on a straight path"]
    assert tame.change.mean == pytest.approx(0.75 + 0.01 * sum(SEEDS) / len(SEEDS))
    assert tame.verdict == "same direction"
    assert "−0.25 (flow), −1.0 (linear)" in tame.text
    assert [f.change.mean for f in all_findings if f.claim.primary] == [0.0], "the straight path alone"


# ---------------------------------------------------------------- how much of t is told


def test_withholding_is_compared_between_predictions_and_k_with_the_distance(tmp_path: Path) -> None:
    """Withholding doubles the distance for eps and adds a tenth for v, where the distance orders as K does."""
    cost = {"ddpm": 1.0, "etsdm": 0.9, "embedding-scale": 0.8, "remap": 1.2}
    largest = {"ddpm": 4.0, "etsdm": 2.0, "embedding-scale": 1.0, "unconditional": 5.0, "remap": 6.0}

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        withheld = 2.0 + 0.01 * model["seed"] if model["diffusion"]["prediction"] == "eps" else 1.1
        return cost.get(model["method"]["name"], withheld) * (5 + model["seed"])

    all_findings = findings_of(
        tmp_path, "told-less", distance, lambda model, t_prime, t: largest[model["method"]["name"]] / t
    )
    (withheld,) = [f for f in all_findings if f.claim.primary]
    assert withheld.change.by_seed == pytest.approx({seed: 100 * ((2 + 0.01 * seed) / 1.1 - 1) for seed in SEEDS})
    assert withheld.verdict == "same direction"
    eps, v = (f for f in all_findings if f.claim.short == "a lower K goes with a lower distance")
    assert (eps.change.mean, v.change.mean) == pytest.approx((0.9, 1.0)), "eps: the two worst change places"
    assert v.change.p == pytest.approx(2 / 120) and eps.change.p == pytest.approx(10 / 120)
    assert np.isnan(v.change.low), "the spread over seeds tells nothing of other methods"
    each = {f.text.split("'s ")[0]: f.change.mean for f in all_findings if f.claim.short == "gain of being told less"}
    assert each["E-TSDM"] == pytest.approx(-10) and each["embedding-scale"] == pytest.approx(-20)


def test_methods_stand_in_the_order_of_how_much_their_network_is_told(every: Path) -> None:
    all_sides = sides(read(every), "told-less")
    conditions = {side.label: side.conditions for side in all_sides}
    assert conditions == {"embedding-scale": 1000, "remap": 1000, "E-TSDM": 905, "unconditional": 1}
    assert list(conditions)[2:] == ["E-TSDM", "unconditional"]
    assert {side.network["prediction"] for side in all_sides} == {"eps", "v"}


def test_the_rank_correlation_is_spearmans_and_its_p_value_that_of_all_permutations() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        x, y = generator.integers(0, 6, (2, 1, 7)).astype(float)
        expected = spearmanr(x[0], y[0])
        assert rank_correlations(x, y)[0] == pytest.approx(expected.statistic)
    x, y = generator.normal(size=(2, 1, 6))

    def statistic(column: Any) -> Any:
        return spearmanr(column, y[0]).statistic

    exact = permutation_test((x[0],), statistic, permutation_type="pairings", n_resamples=np.inf)
    assert permuted(x, y) == pytest.approx(exact.pvalue)
    assert np.isnan(rank_correlations(np.ones((1, 3)), np.array([[1.0, 2.0, 3.0]]))[0])
    assert rank_correlations(np.array([[-np.inf, 0.0, 1.0]]), np.array([[1.0, 2.0, 3.0]]))[0] == 1.0


# ---------------------------------------------------------------- progress of training


BY_IMAGES = {1000: 8.0, 2000: 6.0, 4000: 3.0}
"""Distance of ddpm by images seen, for the half-life of 100 images; that of etsdm is a tenth less."""


def progress_alone() -> dict[str, Any]:
    return every_experiment() | {"experiments": {"progress": EXPERIMENTS["progress"]}}


def seen(model: dict[str, Any]) -> dict[str, int]:
    seen: dict[str, int] = model.get("snapshot", model["training"])
    return seen


@pytest.fixture(scope="module")
def progress() -> Path:
    """The report of snapshots whose values follow the images seen and the half-life; one sample set failed."""

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        gain = {"ddpm": 1.0, "etsdm": 0.9}[model["method"]["name"]] * (1 + 0.1 * SEEDS.index(model["seed"]))
        return gain * BY_IMAGES[seen(model)["images"]] * (2 if seen(model)["ema_half_life"] == 50 else 1)

    def k(model: dict[str, Any], t_prime: int, t: int) -> float:
        return seen(model)["images"] / seen(model)["ema_half_life"] / t

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        failed = f"seed{SEEDS[1]}/snapshots/2000-ema50/ddim"
        if measurement["kind"] == "distance" and "/etsdm" in measurement["run"] and failed in measurement["run"]:
            fail(results, measurement)
        else:
            write_measurement(results, inventory, measurement, distance, k)

    def build(results: Path) -> None:
        write_report(write_results(results, progress_alone(), measure), results)

    return report_in(shared("progress", build))


def test_rows_say_what_each_network_has_seen(progress: Path, built: tuple[Path, Path]) -> None:
    rows = pd.read_csv(progress / "rows.csv")
    points = rows.groupby(["images_seen", "ema_half_life"])
    assert set(points.groups) == {(images, half_life) for images in (1000, 2000, 4000) for half_life in (100, 50)}
    assert points.size().nunique() == 1
    assert set(rows["train_seconds"]) == {60.0}
    k = rows[(rows["metric"] == "K") & (rows["t"] == 10)]
    assert np.allclose(k["value"], k["images_seen"] / k["ema_half_life"] / 10)
    others = pd.read_csv(built[0] / "rows.csv")
    assert (set(others["images_seen"]), set(others["ema_half_life"])) == ({4000}, {100})


def test_table_compares_methods_at_the_same_snapshot(progress: Path) -> None:
    where = {"method": "etsdm", "metric": "fd-classifier-1k"}
    for images, distance in BY_IMAGES.items():
        cell = read_cell(progress, "progress", images_seen=images, ema_half_life=100, **where)
        assert cell["mean"] == pytest.approx(0.9 * 1.05 * distance)
        assert cell["change"] == pytest.approx(-10)
    failed = read_cell(progress, "progress", images_seen=2000, ema_half_life=50, **where)
    assert (failed["n"], failed["reason"]) == (1, f"seed 7: {REASON}")
    shown = (progress / "tables" / "progress.md").read_text(encoding="utf-8")
    assert "Images seen" in shown and "Half-life" in shown
    page_text = (progress / "report.html").read_text(encoding="utf-8")
    assert "2,000 images, half-life 50" in page_text
    assert "snapshots after 1,000, 2,000 and 4,000 images, of weights averaged with half-life 100 and 50" in page_text


def test_columns_of_snapshots_are_left_out_where_there_are_none(built: tuple[Path, Path]) -> None:
    assert "Half-life" not in (built[0] / "tables" / "fast-sampling.md").read_text(encoding="utf-8")


def test_k_has_no_solver_in_the_table_of_several_solvers(tmp_path: Path) -> None:
    block = EXPERIMENTS["progress"] | {"solvers": [{"name": "ddim", "nfe": 4}, {"name": "ancestral", "nfe": 4}]}
    report = write_results(tmp_path, every_experiment() | {"experiments": {"progress": block}})
    write_tables(report, tmp_path, None)
    shown = (report / "tables" / "progress.md").read_text(encoding="utf-8")
    assert "ancestral" in shown and "nan" not in shown


def test_the_question_of_progress_is_answered_by_the_last_two_snapshots(progress: Path) -> None:
    both_findings = [finding for finding in findings(read(progress)) if finding.claim.experiment == "progress"]
    assert [finding.claim.short for finding in both_findings] == ["distance still falling at the end of training"] * 2
    for finding, half_life in zip(both_findings, (100, 50), strict=True):
        assert f"half-life {half_life}) is lower after 4,000 images than after 2,000" in finding.measured
        assert "−50.0" in finding.measured


def test_a_snapshot_without_its_training_tells_why(tmp_path: Path) -> None:
    """The reason stands in the log of the training, not beside the snapshot."""
    report = write_results(tmp_path, progress_alone(), None)
    inventory = json.loads((report / "inventory.json").read_text())
    for model in inventory["models"]:
        (tmp_path / model).mkdir(parents=True)
        (tmp_path / model / "train.log").write_text(f"etsdm: error: {REASON}\n")
    assert set(collect_rows(inventory, tmp_path)["reason"]) == {REASON}


def test_lines_of_progress_are_told_apart_by_colour_and_dash(progress: Path) -> None:
    with matplotlib.rc_context(STYLE):
        figure = draw_by_images(read(progress), "progress")
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == ["ddim, 4 NFE", "at t = 10", "largest up to t = 400"]
    for axes in panels:
        assert axes.get_xscale() == "log"
        assert axes.get_ylabel().endswith("(lower is better)")
        lines = [line for line in axes.lines if line.get_linestyle() != "None" and len(line.get_xdata())]
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines) == 4
    first = next(line for line in panels[0].lines if line.get_linestyle() != "None")
    assert list(first.get_xdata()) == [1000, 2000, 4000]
    assert list(first.get_ydata()) == pytest.approx([1.05 * value for value in BY_IMAGES.values()])
    plt.close(figure)
