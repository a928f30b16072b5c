"""`etsdm diff`: what differs beyond noise between two finished benchmarks, against tables whose difference is known."""

import json
import math
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from pages import commands
from scipy.stats import ttest_rel

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.report.differences.difference import Difference, difference, headline, remarks, state
from etsdm.report.differences.matching import Matched, match, partners
from etsdm.report.differences.means import Group, with_tests
from etsdm.report.differences.page import render
from etsdm.report.differences.side import read_side
from etsdm.report.differences.text import text
from etsdm.report.results import with_labels
from etsdm.report.rows import COLUMNS

CELL = {
    "experiment": "fast-sampling",
    "dataset": "digits",
    "resolution": 8,
    "time": "discrete",
    "schedule": "linear",
    "prediction": "eps",
    "training_times": "uniform",
    "loss_weight": "none",
    "images_seen": 4000,
    "ema_half_life": 100,
    "method": "ddpm",
    "method_parameters": "{}",
    "solver": "ddim",
    "solver_parameters": "{}",
    "nfe": 10,
    "metric": "fd-classifier-1k",
    "seconds": 2.0,
    "train_seconds": 60.0,
    "device": "cpu",
    "revision": "0123456789abcdef",
}
SHARING = {"method": "etsdm", "method_parameters": '{"t_tilde": 100, "n": 5}'}
OLDER = ("training_times", "loss_weight", "images_seen", "ema_half_life", "condition_offset", "bootstrap")
"""Columns that tables of earlier revisions lack."""


def rows_of(*cells: dict[str, Any]) -> pd.DataFrame:
    """A row for each value of each cell, which holds them as `values`, {seed: value}."""
    rows = [
        CELL | {name: value for name, value in cell.items() if name != "values"} | {"seed": seed, "value": value}
        for cell in cells
        for seed, value in cell["values"].items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def written(folder: Path, rows: pd.DataFrame, verdicts: list[tuple[str, str, str]] | None = None) -> Path:
    """A folder with these tables."""
    (folder / "tables").mkdir(parents=True)
    rows.to_csv(folder / "rows.csv", index=False)
    if verdicts:
        table = pd.DataFrame(verdicts, columns=["experiment", "claim", "verdict"])
        table.to_csv(folder / "tables" / "verdicts.csv", index=False)
    return folder


def compared(tmp_path: Path, first: pd.DataFrame, other: pd.DataFrame) -> Difference:
    return difference(*(read_side(written(tmp_path / name, rows)) for name, rows in (("a", first), ("b", other))))


def called(first: pd.DataFrame, other: pd.DataFrame) -> tuple[list[Matched], list[Group]]:
    return with_tests(match(with_labels(first), with_labels(other))[0])


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def test_a_report_does_not_differ_from_itself(report: Path) -> None:
    diff = difference(read_side(report), read_side(report))
    assert state(diff) == "same values" and all(one.same for one in diff.matched)
    assert len(diff.matched) > 10 and not diff.only_first and not diff.only_other
    assert diff.verdicts and not diff.changed_verdicts and not diff.settings and not diff.configuration
    assert not any(pair.differs for pair in diff.provenance)
    done = run(report, report, "--exit-code")
    assert done.exit_code == 0 and "Nothing differs: all " in done.output


def test_a_known_change_is_called_with_the_interval_of_the_paired_t(tmp_path: Path) -> None:
    first = {seed: 10.0 + seed for seed in range(6)}
    factors = [1.10, 1.12, 1.08, 1.11, 1.09, 1.10]
    other = {seed: value * factors[seed] for seed, value in first.items()}
    diff = compared(tmp_path, rows_of({"values": first}), rows_of({"values": other}))
    (one,) = diff.matched
    logs = [math.log(factor) for factor in factors]
    interval = ttest_rel(np.log(list(other.values())), np.log(list(first.values()))).confidence_interval()
    assert one.differs and one.change.effect == pytest.approx(statistics.fmean(logs))
    assert [one.change.low, one.change.high] == pytest.approx([100 * math.expm1(end) for end in interval])
    assert headline(diff) == f"1 of 1 cell differs beyond noise, the largest by {one.change.text}."
    done = run(tmp_path / "a", tmp_path / "b", "--exit-code")
    assert done.exit_code == 1 and one.change.interval in done.output
    assert run(tmp_path / "a", tmp_path / "b").exit_code == 0


def drawn(generator: np.random.Generator, seeds: int, shift: float) -> pd.DataFrame:
    """Six cells of two methods: logarithms move by 0.05 with the seed, and by 0.03 with each network and cell."""
    cells = []
    of_seeds = generator.normal(0, 0.05, seeds)
    for method in ({}, SHARING):
        of_networks = generator.normal(0, 0.03, seeds)
        for nfe in (10, 20, 50):
            logs = 2 + shift + of_seeds + of_networks + generator.normal(0, 0.03, seeds)
            cells.append(method | {"nfe": nfe, "values": dict(enumerate(np.exp(logs)))})
    return rows_of(*cells)


@pytest.mark.parametrize("seeds", [3, 8])
def test_two_draws_of_one_distribution_are_rarely_called_different(seeds: int) -> None:
    generator = np.random.default_rng(0)
    draws = [called(drawn(generator, seeds, 0), drawn(generator, seeds, 0)) for _ in range(60)]
    wrong = sum(any(one.differs for one in [*cells, *groups]) for cells, groups in draws)
    assert wrong <= 8  # 5 % of 60 are 3, and 8 are three standard deviations more


def test_a_change_of_ten_standard_errors_is_always_called() -> None:
    generator = np.random.default_rng(0)
    seeds = 8
    error = math.sqrt((0.05**2 + 0.03**2 + 0.03**2) * 2 / seeds)
    for _ in range(20):
        cells, groups = called(drawn(generator, seeds, 0), drawn(generator, seeds, 10 * error))
        assert len(cells) == 6 and all(one.differs for one in cells)
        assert len(groups) == 2 and all(one.differs for one in groups)


def test_what_no_single_cell_shows_the_mean_may(tmp_path: Path) -> None:
    """Noise that is each cell's own falls in the mean of twenty cells: here it alternates, and is gone."""
    first = rows_of(*({"nfe": nfe, "values": dict.fromkeys(range(4), 1.0)} for nfe in range(1, 21)))
    noise = 0.1 * (-1.0) ** (first["seed"] + first["nfe"]) + 0.001 * first["seed"]
    diff = compared(tmp_path, first, first.assign(value=np.exp(0.1 + noise.to_numpy(dtype=float))))
    (group,) = diff.groups
    assert not diff.differing and group.differs and group.change
    assert headline(diff) == (
        f"No single cell differs, but 1 of 1 mean over cells beyond noise, the largest by {group.change.text}."
    )
    assert run(tmp_path / "a", tmp_path / "b", "--exit-code").exit_code == 1


def test_one_seed_has_no_noise_floor(tmp_path: Path) -> None:
    diff = compared(tmp_path, rows_of({"values": {0: 10.0}}), rows_of({"values": {0: 20.0}}))
    assert headline(diff) == "No noise floor can be computed, as there is one seed only: 1 of 1 cell differs."
    assert not diff.differing and run(tmp_path / "a", tmp_path / "b", "--exit-code").exit_code == 0
    assert "no noise floor" in render(diff)


def test_equal_values_are_counted(tmp_path: Path) -> None:
    first = [{"values": {0: 1.0, 1: 2.0}}, {"nfe": 20, "values": {0: 3.0, 1: 4.0}}]
    other = [first[0], {"nfe": 20, "values": {0: 3.0, 1: 4.5}}]
    diff = compared(tmp_path, rows_of(*first), rows_of(*other))
    assert remarks(diff)[0] == "3 of 4 values are the same to the last digit."
    assert [one.same for one in diff.matched] == [True, False] and diff.matched[1].tests == 1
    assert diff.groups[0].change is None


def test_seeds_are_paired_by_number_and_else_in_order() -> None:
    first, other = {0: 1.0, 1: 2.0, 2: 3.0}, {1: 20.0, 2: 30.0, 7: 70.0}
    assert partners(first, other) == ({1: 2.0, 2: 3.0}, {1: 20.0, 2: 30.0}, True)
    assert partners(first, {5: 50.0, 4: 40.0}) == ({0: 1.0, 1: 2.0}, {0: 40.0, 1: 50.0}, False)
    assert partners({0: 1.0}, {0: 10.0, 1: 11.0}) == ({0: 1.0}, {0: 10.0}, True)


def test_seeds_that_differ_are_said(tmp_path: Path) -> None:
    diff = compared(tmp_path, rows_of({"values": {0: 1.0, 1: 2.0}}), rows_of({"values": {5: 1.1, 6: 2.3}}))
    assert "A and B have other seeds in 1 cell; seeds are paired there in their order." in remarks(diff)


def test_what_one_has_alone_is_listed_with_the_reason(tmp_path: Path) -> None:
    both, gone = {"values": {0: 1.0, 1: 2.0}}, {"nfe": 20, "values": {0: 3.0}}
    failed = rows_of(both, gone | {"values": {0: math.nan}}).assign(reason="diverged")
    diff = compared(tmp_path, rows_of(both, gone), pd.concat([failed, rows_of(SHARING | both)]))
    assert [(one.cell["nfe"], one.reason) for one in diff.only_first] == [(20, "seed 0: diverged")]
    assert [(one.cell["method"], one.reason) for one in diff.only_other] == [("etsdm", "")]
    assert "1 cell in A only." in remarks(diff) and "seed 0: diverged" in text(diff)


def test_verdicts_that_changed_are_listed(tmp_path: Path) -> None:
    rows = rows_of({"values": {0: 1.0}})
    before = [("x", "One.", "opposite"), ("x", "One.", "undecided"), ("x", "Two.", "undecided")]
    after = [("x", "One.", "undecided"), ("x", "One.", "undecided"), ("x", "Three.", "opposite")]
    sides = (read_side(written(tmp_path / name, rows, table)) for name, table in (("a", before), ("b", after)))
    diff = difference(*sides)
    steps = [(one.claim, one.steps) for one in diff.changed_verdicts]
    assert steps == [
        ("One.", [("opposite", "undecided")]),
        ("Two.", [("undecided", "not run")]),
        ("Three.", [("not run", "opposite")]),
    ]
    assert "Verdicts that changed: 3 of 3 claims." in remarks(diff)


def test_without_a_table_of_verdicts_it_says_so(tmp_path: Path) -> None:
    rows = rows_of({"values": {0: 1.0}})
    written(tmp_path / "a", rows, [("x", "One.", "opposite")])
    diff = difference(read_side(tmp_path / "a"), read_side(written(tmp_path / "b", rows)))
    assert not diff.verdicts and any(line.startswith("Verdicts are not compared") for line in remarks(diff))


def test_a_setting_that_holds_throughout_does_not_keep_cells_apart(tmp_path: Path) -> None:
    values = {"values": {0: 1.0, 1: 2.0}}
    longer = values | {"images_seen": 8000}
    wider = longer | {"method": "etsdm", "method_parameters": '{"t_tilde": 50, "n": 5}'}
    diff = compared(tmp_path, rows_of(values, SHARING | values), rows_of(longer, wider))
    assert len(diff.matched) == 2 and not diff.only_first
    assert {(one.where, one.first, one.other) for one in diff.settings} == {
        ("fast-sampling", "4,000", "8,000"),
        ("fast-sampling, etsdm", "t_tilde 100", "t_tilde 50"),
    }


def test_settings_that_tell_cells_apart_do(tmp_path: Path) -> None:
    first, other = (
        rows_of(*({"schedule": name, "values": {0: 1.0}} for name in names))
        for names in (("linear", "cosine"), ("linear", "quadratic"))
    )
    diff = compared(tmp_path, first, other)
    assert [one.cell["schedule"] for one in diff.matched] == ["linear"] and not diff.settings
    assert [one.cell["schedule"] for one in diff.only_first + diff.only_other] == ["cosine", "quadratic"]


def test_a_measurement_that_two_experiments_share_counts_once(tmp_path: Path) -> None:
    cell = {"values": {0: 1.0, 1: 2.0}}
    rows = rows_of(cell, cell | {"experiment": "comparison"})
    assert len(compared(tmp_path, rows, rows).matched) == 1


def test_tables_of_older_revisions_are_compared(tmp_path: Path) -> None:
    rows = rows_of({"values": {0: 1.0, 1: 2.0}}, SHARING | {"values": {0: 1.5, 1: 2.5}})
    diff = compared(tmp_path, rows.drop(columns=[*OLDER]), rows)
    assert state(diff) == "same values" and len(diff.matched) == 2
    assert {(one.name, one.first) for one in diff.settings} == {
        ("images_seen", "not noted"),
        ("ema_half_life", "not noted"),
    }


def test_what_had_another_name_before_is_compared_under_todays(tmp_path: Path) -> None:
    values = {0: 1.0, 1: 2.0}
    before = rows_of({"values": values, "solver": "ddpm", "experiment": "datasets"})
    diff = compared(tmp_path, before, rows_of({"values": values, "solver": "ancestral", "experiment": "comparison"}))
    (cell,) = diff.matched
    assert cell.same
    assert not diff.only_first and not diff.only_other


def test_nothing_in_common_is_said(tmp_path: Path) -> None:
    cell = {"values": {0: 1.0}}
    diff = compared(tmp_path, rows_of(cell), rows_of(cell | {"dataset": "photos"}))
    assert headline(diff) == "Nothing can be compared: A and B have no cell in common."
    assert "Nothing can be compared" in render(diff)


def test_two_folders_of_one_name_are_told_apart_by_their_revisions(tmp_path: Path) -> None:
    rows = rows_of({"values": {0: 1.0}})
    sides = (
        read_side(written(tmp_path / clone / "digits", rows.assign(revision=letter * 40)))
        for clone, letter in (("before", "a"), ("after", "b"))
    )
    page = render(difference(*sides))
    assert re.search(r"A: \S*digits, revision a+<", page) and re.search(r"B: \S*digits, revision b+<", page)


def test_costs_count_what_both_have(tmp_path: Path) -> None:
    first = rows_of({"values": {0: 1.0, 1: 2.0}}, {"nfe": 20, "values": {0: 1.0}})
    other = rows_of({"values": {0: 1.0}, "seconds": 4.0, "train_seconds": 30.0, "device": "gpu"})
    provenance = {pair.name: (pair.first, pair.other) for pair in compared(tmp_path, first, other).provenance}
    assert provenance["training of both"] == ("60.0 s", "30.0 s (0.50 times as long)")
    assert provenance["sampling and probes of both"] == ("2.0 s", "4.0 s (2.00 times as long)")
    assert provenance["device"] == ("cpu", "gpu") and provenance["seeds"] == ("0 and 1", "0")


def test_configurations_are_compared_key_by_key(report: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(report, other)
    inventory = json.loads((other / "inventory.json").read_text())
    inventory["config"]["training"]["learning_rate"] = 0.5
    del inventory["config"]["experiments"]["lipschitz"]
    (other / "inventory.json").write_text(json.dumps(inventory))
    diff = difference(read_side(report), read_side(other))
    assert {(pair.name, pair.first, pair.other) for pair in diff.configuration} == {
        ("training.learning_rate", "0.001", "0.5"),
        ("experiments.lipschitz", "given", "–"),
    }


def test_versions_and_machines_come_from_the_manifests_around_a_report(report: Path) -> None:
    provenance = {pair.name: pair.first for pair in difference(read_side(report), read_side(report)).provenance}
    assert provenance["processor"] == "x86_64, 2 CPUs" and provenance["revision"] == "0123456789ab"


def test_folders_that_are_no_reports_are_refused(report: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no report, as it has no rows.csv; give the folder of a report"):
        read_side(tmp_path)
    with pytest.raises(UserError, match=f"give one of those within it: {report}"):
        read_side(report.parents[1])
    written(tmp_path / "short", rows_of({"values": {0: 1.0}}).drop(columns=["seed", "metric"]))
    done = run(report, tmp_path / "short")
    assert done.exit_code == 2 and "rows.csv: no column seed, metric" in done.output
    (tmp_path / "short" / "rows.csv").write_text("")
    with pytest.raises(UserError, match=r"rows.csv: cannot be read"):
        read_side(tmp_path / "short")


def test_the_page_shows_the_figure_and_every_cell(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    written(tmp_path / "a", drawn(generator, 4, 0))
    written(tmp_path / "b", drawn(generator, 4, 1))
    done = run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    diff = difference(read_side(tmp_path / "a"), read_side(tmp_path / "b"))
    assert headline(diff).replace(" %", "\u00a0%") in page and page.count("<svg") == 1
    for one in diff.matched:
        assert one.change.interval in page
    assert page.count('<g class="hint">') == 6 and "fd-classifier-1k (lower is better)" in page
    assert "https://" not in page.partition("<body>")[2].partition("<script")[0]


def test_a_page_of_many_cells_stays_readable(tmp_path: Path) -> None:
    """Their names do not fit beside them, so that only a pointer shows them."""
    generator = np.random.default_rng(0)
    first, other = (
        rows_of(*({"nfe": nfe, "values": dict(enumerate(generator.uniform(1, 2, 3)))} for nfe in range(1, 61)))
        for _ in range(2)
    )
    page = render(compared(tmp_path, first, other))
    assert page.count("<title>DDPM, ddim at ") == 60


def test_the_commands_of_the_page_compare_two_reports(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("before/results/reports/digits", "results/reports/digits", "A", "B"):
        shutil.copytree(report, folder)
    for _, *words in commands("docs/protocol.md"):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    assert "Nothing differs" in Path("diff.html").read_text(encoding="utf-8")
