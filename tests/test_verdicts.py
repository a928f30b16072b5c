"""Changes, their tests and verdicts, against SciPy, least squares, simulation and hand computation."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from etsdm.errors import UserError
from etsdm.plan.reading import load_config
from etsdm.report import metrics
from etsdm.report.cells import REPLICA
from etsdm.report.changes import Change, change, interval_text, mean_change, paired, signed
from etsdm.report.compare import sampling_sd
from etsdm.report.findings.finding import Claim, Pair, summary, with_p_values
from etsdm.report.findings.k_curves import slope
from etsdm.report.noise_floor import Floor, floor_of, noise_floors, with_floor
from etsdm.report.power import power, smallest_visible
from etsdm.report.published import curves_of, read_published
from etsdm.report.text import number
from etsdm.report.verdicts import holm, verdict

ROOT = Path(__file__).parents[1]
CLAIM = Claim("comparison", "x", "X.", primary=True)


def logs(effects: Sequence[float]) -> Change:
    return paired(dict(enumerate(effects)), "%")


# ---------------------------------------------------------------- changes


def test_change_pairs_by_seed() -> None:
    moved = change({1: 10.0, 2: 20.0, 3: 99.0}, {2: 16.0, 1: 9.0, 4: 1.0}, "fd-classifier-1k")
    assert moved.by_seed == pytest.approx({1: -10, 2: -20})
    assert moved.mean == pytest.approx(100 * (math.sqrt(0.9 * 0.8) - 1))
    assert moved.text == "−15.1 %"


def test_a_change_and_its_way_back_are_the_same_size() -> None:
    there, back = (
        change(*both, "fd-classifier-1k")
        for both in [({1: 1.0, 2: 3.0}, {1: 2.0, 2: 5.0})] * 1 + [({1: 2.0, 2: 5.0}, {1: 1.0, 2: 3.0})]
    )
    assert (there.effect, there.p) == pytest.approx((-back.effect, back.p))


def test_what_vanishes_has_changed_by_exactly_all_of_it() -> None:
    moved = change({1: 0.09, 2: 0.06}, {1: 0.0, 2: 0.0}, "K")
    assert (moved.text, moved.interval, moved.p) == ("−100.0 %", "−100.0 to −100.0 %", 0)


def test_psnr_changes_by_decibels() -> None:
    moved = change({1: 20.0, 2: 22.0}, {1: 21.0, 2: 24.0}, "psnr")
    assert (moved.text, moved.interval) == ("+1.50 dB", "−4.85 to +7.85 dB")
    assert math.isnan(moved.p_equivalent(0.05)), "a margin is a share"


def test_no_logarithm_of_a_value_that_is_not_positive() -> None:
    moved = change({1: -0.1, 2: 0.05}, {1: 0.1, 2: 0.1}, "kd-classifier-1k")
    assert moved.text == "+0.125"
    assert moved.effects == pytest.approx({1: 0.2, 2: 0.05})


@pytest.mark.parametrize("effects", [(-1.0, 2.0), (3.0, 5.0, 10.0), (0.2, -0.4, 1.0, 0.7)])
def test_interval_and_p_are_those_of_a_paired_t_test(effects: tuple[float, ...]) -> None:
    theirs = stats.ttest_1samp(effects, 0)
    interval = theirs.confidence_interval(0.95)
    assert logs(effects).limits() == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert logs(effects).p == pytest.approx(theirs.pvalue, rel=1e-12)


@pytest.mark.parametrize("effects", [(-0.01, 0.02, 0.01), (0.03, 0.04, 0.05), (0.0, 0.2, -0.1)])
def test_equivalence_is_that_of_two_one_sided_t_tests(effects: tuple[float, ...]) -> None:
    margin = math.log(1.05)
    below = stats.ttest_1samp(effects, margin, alternative="less").pvalue
    above = stats.ttest_1samp(effects, -margin, alternative="greater").pvalue
    assert logs(effects).p_equivalent(0.05) == pytest.approx(max(below, above), rel=1e-9)


def test_one_seed_has_no_interval_and_no_p() -> None:
    alone = logs([-0.5])
    assert alone.interval == ""
    assert math.isnan(alone.p)
    assert math.isnan(alone.p_equivalent(0.05))


# ---------------------------------------------------------------- the noise floor


def test_floor_is_the_residual_of_least_squares_on_methods_and_seeds() -> None:
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(3, 4)), rng.normal(size=(2, 5))]
    squares, freedom = 0.0, 0
    for table in blocks:
        methods, seeds = (index.ravel() for index in np.indices(table.shape))
        design = np.hstack([np.eye(table.shape[0])[methods], np.eye(table.shape[1])[seeds]])
        fitted = design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        squares += ((table.ravel() - fitted) ** 2).sum()
        freedom += table.size - np.linalg.matrix_rank(design)
    floor = floor_of(blocks, True)
    assert floor is not None
    assert (floor.sd, floor.freedom, floor.blocks) == (pytest.approx(math.sqrt(squares / freedom)), freedom, 2)


def test_floor_of_one_pair_of_methods_is_the_paired_t() -> None:
    table = np.random.default_rng(1).normal(size=(2, 6))
    own = logs(table[1] - table[0])
    pooled = with_floor(own, floor_of([table], True))
    assert (pooled.error, pooled.freedom, pooled.p) == pytest.approx((own.error, own.freedom, own.p))


def test_no_floor_without_two_methods_and_two_seeds() -> None:
    assert floor_of([np.zeros((1, 5)), np.zeros((3, 1))], True) is None


def test_a_method_that_repeats_another_does_not_lower_the_floor() -> None:
    """As score-weighted with its output over sigma repeats ddpm, number for number."""
    rows = [
        {"experiment": "alternatives", "dataset": "d", "resolution": 8, "time": "discrete", "schedule": "linear"}
        | {"training_times": "uniform", "loss_weight": "none"}
        | {"prediction": "eps", "images_seen": 1, "ema_half_life": 1, "method": method, "method_parameters": "{}"}
        | {"method_label": method, "solver": "ddim", "solver_parameters": "{}", "solver_label": "ddim", "nfe": 10}
        | {
            "metric": "fd-classifier-1k",
            "t_prime": None,
            "t": None,
            "perturbation_std": None,
            "condition_offset": None,
            "seed": seed,
            "value": value,
        }
        | {"seconds": 1.0, "reason": None, "bootstrap": None}
        for method, values in {"ddpm": (1.0, 2.0, 3.0), "etsdm": (1.1, 2.0, 3.5), "same": (1.0, 2.0, 3.0)}.items()
        for seed, value in enumerate(values)
    ]
    (alone,), (beside,) = (
        noise_floors(pd.DataFrame([row for row in rows if row["method"] in methods])).values()
        for methods in (("ddpm", "etsdm"), ("ddpm", "etsdm", "same"))
    )
    assert beside == alone


def test_where_residuals_are_unequal_the_less_certain_of_the_two_tests_counts() -> None:
    noisy, quiet = logs([-1.0, 1.5, 0.4]), logs([0.1, 0.1001, 0.0999])
    floor = Floor(sd=0.3, freedom=20, blocks=5, logs=True, equal=False)
    assert with_floor(noisy, floor) == noisy
    assert with_floor(quiet, floor).error == pytest.approx(0.3 * math.sqrt(2 / 3))


def test_bartletts_test_tells_equal_residuals_from_unequal_ones() -> None:
    rng = np.random.default_rng(2)
    equal, unequal = rng.normal(size=(10, 2, 10)), rng.normal(size=(10, 2, 10))
    unequal[0] *= 10
    floors = floor_of(list(equal), True), floor_of(list(unequal), True)
    assert [floor and floor.equal for floor in floors] == [True, False]


SEEDS = 5


@pytest.mark.parametrize("correlation", [0, 0.5, 0.95])
@pytest.mark.parametrize("blocks", [1, 3, 10, 30])
def test_where_there_is_no_difference_at_most_six_cells_of_a_hundred_are_called(
    blocks: int, correlation: float
) -> None:
    """6,000 cells: three methods in each block, values correlated by seed."""
    rng = np.random.default_rng(blocks)
    called = []
    for _ in range(3000 // blocks):
        shared = np.sqrt(correlation) * rng.normal(size=(blocks, 1, SEEDS))
        tables = shared + np.sqrt(1 - correlation) * rng.normal(size=(blocks, 3, SEEDS))
        floor = floor_of(list(tables), True)
        changes = [with_floor(logs(row), floor) for table in tables for row in table[1:] - table[0]]
        called += [verdict(one, -1, p=one.p) != "undecided" for one in changes]
    assert 0.03 < np.mean(called) < 0.06


@pytest.mark.parametrize("correlation", [0, 0.5, 0.95])
@pytest.mark.parametrize("cells", [1, 3, 10, 30])
def test_where_there_is_no_difference_at_most_six_tables_of_a_hundred_call_a_cell(
    cells: int, correlation: float
) -> None:
    """Holm's correction, of cells whose residuals are correlated as those of one network under several solvers."""
    rng = np.random.default_rng(cells)
    networks = rng.normal(size=(2000, 1, SEEDS))
    own = rng.normal(size=(2000, cells, SEEDS))
    effects = np.sqrt(correlation) * networks + np.sqrt(1 - correlation) * own
    ps = stats.ttest_1samp(effects, 0, axis=2).pvalue
    assert np.mean([min(holm(list(table))) <= 0.05 for table in ps]) < 0.06


# ---------------------------------------------------------------- power


def test_power_is_the_share_of_simulated_experiments_that_call_the_effect() -> None:
    rng = np.random.default_rng(3)
    called = stats.ttest_1samp(0.8 + rng.normal(size=(20_000, 6)), 0, axis=1)
    share = np.mean((called.pvalue <= 0.05) & (called.statistic > 0))
    assert power(0.8, 1 / math.sqrt(6), 5) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(("freedom", "level"), [(1, 0.05), (2, 0.05), (9, 0.05 / 12), (200, 0.05)])
def test_smallest_visible_change_has_a_power_of_80_percent(freedom: int, level: float) -> None:
    assert power(smallest_visible(0.03, freedom, level), 0.03, freedom, level) == pytest.approx(0.8, abs=1e-6)


def percent(effect: float) -> str:
    return f"{100 * math.expm1(effect):.0f}"


def power_row(benchmark: str, seeds: int, methods: int, cells: int) -> str:
    """The row of a benchmark in the table of docs/experiments.md."""
    errors = [sd / math.sqrt(seeds) for sd in (0.03, 0.05, 0.07)]
    primary = ", ".join(percent(smallest_visible(error, seeds - 1)) for error in errors)
    freedom = (methods - 1) * (seeds - 1)
    cell = ", ".join(percent(smallest_visible(error, freedom, 0.05 / cells)) for error in errors)
    return f"| {benchmark} | {seeds} | {methods} | {cells} | {primary} % | {cell} % |"


@pytest.mark.parametrize("name", ["digits", "cifar10", "digits-full", "digits-seeds", "paper"])
def test_docs_print_what_each_benchmark_could_see(name: str) -> None:
    benchmark = load_config(ROOT / "config" / f"{name}.yaml")
    block = benchmark.experiments.fast_sampling
    assert block is not None
    methods = [method for method in block.methods if method.name != REPLICA]
    cells = (len(methods) - 1) * sum(len(solver.nfe) for solver in block.solvers)
    row = power_row(name, len(benchmark.seeds), len(methods), cells)
    assert row in (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- verdicts


def test_holms_correction_equals_hand_computation() -> None:
    assert holm([0.01, 0.04, 0.03, math.nan, 0.005]) == pytest.approx([0.03, 0.06, 0.06, math.nan, 0.02], nan_ok=True)


@pytest.mark.parametrize(
    ("effects", "published", "expected"),
    [
        ([], None, "not run"),
        ([-1.0], -1.0, "undecided"),
        ([-1.0, 0.5], -1.0, "undecided"),
        ([-1.0, -1.5], -1.0, "undecided"),  # both agree, but t = 12.7 with one degree of freedom
        ([-1.0, -1.1], -1.05, "same direction and size"),
        ([-1.0, -1.1], -2.0, "same direction and size"),
        ([-1.0, -1.1], -2.2, "same direction"),
        ([-1.0, -1.1], -0.5, "same direction"),
        ([-1.0, -1.1], None, "same direction"),
        ([1.0, 1.1], -1.0, "opposite"),
        ([0.001, 0.002, -0.002], -1.0, "equivalent"),
        ([0.03, 0.06, -0.05], -1.0, "undecided"),
        ([-1.0, -1.1, -1.2, -1.0, 0.1, -1.1], -1.0, "same direction and size"),  # one seed may disagree
    ],
)
def test_verdict_rule(effects: list[float], published: float | None, expected: str) -> None:
    one = logs(effects)
    assert verdict(one, -1, published, one.p, one.p_equivalent(0.05)) == expected


def test_a_finding_is_of_the_pairs_that_changed_in_the_same_unit() -> None:
    """One cell has both seeds and no logarithm; two have one seed and one."""
    mixed = [
        Pair(change(first, other, "kd-classifier-1k"), None)
        for first, other in [({0: -0.1, 1: 0.2}, {0: 0.1, 1: 0.3}), ({0: 1.0}, {0: 0.9}), ({0: 2.0}, {0: 1.8})]
    ]
    finding = summary(CLAIM, "etsdm's kd-x", "than ddpm's", -1, mixed)
    assert "in 2 of 2 cells" in finding.measured
    assert "−10.0 %" in finding.measured
    assert "1 of 3 cells" in finding.measured
    assert summary(CLAIM, "etsdm's kd-x", "than ddpm's", -1, []).verdict == "not run"


def test_the_primary_claim_and_controls_are_tested_alone_and_all_others_together() -> None:
    claims = [CLAIM, Claim("comparison", "y", "Y."), Claim("comparison", "z", "Z.", control=True), CLAIM]
    effects = [[-0.3, -0.31, -0.29], [-0.2, -0.25, -0.15], [-0.2, -0.3, -0.5], [0.1, 0.3, -0.1]]
    pairs = zip(claims, effects, strict=True)
    findings = with_p_values([summary(claim, "d", "x", -1, [Pair(logs(e), None)]) for claim, e in pairs], 0.05)
    ps = [stats.ttest_1samp(e, 0).pvalue for e in effects]
    assert [finding.role for finding in findings] == ["primary", "exploratory", "control", "exploratory"]
    assert [finding.p for finding in findings] == pytest.approx([ps[0], 2 * ps[1], ps[2], ps[3]])
    assert "after Holm's correction over 2 findings" in findings[1].measured


def test_mean_of_changes_is_taken_seed_by_seed_over_the_seeds_of_all() -> None:
    mean = mean_change([paired({0: 0.1, 1: 0.3, 2: 9.0}, "%"), paired({1: 0.1, 0: 0.3}, "%")])
    assert mean.effects == pytest.approx({0: 0.2, 1: 0.2})


def test_slope_of_k_equals_numpys_fit() -> None:
    curve = curves_of(read_published(ROOT / "etsdm" / "report" / "paper_results.csv"), "lipschitz")
    fine = curve[(curve["method"] == "ddpm") & (curve["t"] <= 100)]
    published = dict(zip(fine["t"], fine["value"], strict=True))
    assert len(published) == 10
    assert slope(published) == pytest.approx(
        np.polyfit(np.log(list(published)), np.log(list(published.values())), 1)[0]
    )


# ---------------------------------------------------------------- the noise of sampling


def test_sampling_noise_is_the_spread_of_the_paired_draws() -> None:
    rng = np.random.default_rng(4)
    shared, own = rng.normal(size=(2, 50)), 0.02 * rng.normal(size=(2, 50))
    first = pd.Series({"bootstrap_by_seed": {s: tuple(np.exp(0.3 * shared[s])) for s in range(2)}})
    other = pd.Series({"bootstrap_by_seed": {s: tuple(np.exp(0.3 * shared[s] + own[s])) for s in range(2)}})
    assert sampling_sd(first, other) == pytest.approx(math.sqrt((own.var(axis=1, ddof=1)).mean()))
    assert math.isnan(sampling_sd(first, pd.Series({"bootstrap_by_seed": {}})))


def test_what_rounds_to_zero_has_no_minus() -> None:
    assert signed(-0.04) == signed(0.04) == "+0.0 %"
    assert signed(-0.06) == "−0.1 %"
    assert interval_text(-0.04, 0.04) == "+0.0 to +0.0 %"
    assert number(-0.0) == number(0.0) == "0"


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("name", "better", "judged", "frechet", "unit"),
    [
        ("fid-clean-inception-10k", -1, True, True, None),
        ("kd-classifier-70", -1, False, False, None),
        ("K", -1, False, False, None),
        ("K-per-sqrt-dimension", -1, False, False, None),
        ("psnr", 1, True, False, "dB"),
        ("ssim", 1, True, False, ""),
        ("solver-error", -1, True, False, None),
    ],
)
def test_one_place_knows_the_metrics(name: str, better: int, judged: bool, frechet: bool, unit: str | None) -> None:
    assert (metrics.better(name), metrics.judged(name)) == (better, judged)
    assert (metrics.is_frechet(name), metrics.unit(name)) == (frechet, unit)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "lower is better"),
        (["K", "fd-classifier-1k"], "lower is better"),
        (["psnr", "ssim"], "higher is better"),
        (["psnr", "colour-bias", "ssim"], "lower is better (higher for psnr and ssim)"),
    ],
)
def test_which_way_is_better_is_said_of_every_metric(names: list[str], words: str) -> None:
    assert metrics.directions(names) == words


@pytest.mark.parametrize("name", ["inception-score-10k", "fid", "K-1k", "psnr-10k"])
def test_an_unknown_metric_is_an_error_and_never_lower_is_better(name: str) -> None:
    with pytest.raises(UserError, match=f"unknown metric '{name}'; allowed: fd-classifier, "):
        metrics.better(name)
