"""The sections of the report: one file each, and no second list of their names."""

import ast
from pathlib import Path
from typing import Any

import pytest

from etsdm.errors import UserError
from etsdm.experiments import EXPERIMENTS
from etsdm.fingerprint import code, is_same, reached
from etsdm.report import contents, metrics
from etsdm.report.manifests import STAGES
from etsdm.report.rows import COLUMNS
from etsdm.report.sections import modules, section, sections, sections_of, values_of

REPORT = Path(__file__).parents[1] / "etsdm" / "report"


def inventory(*names: str) -> dict[str, Any]:
    return {"config": {"experiments": {name: {"images": 1} for name in names} | {"stability": None}}}


def test_every_experiment_has_a_section_and_every_section_a_place_of_its_own() -> None:
    assert [one.name for one in sections() if one.shown is None] == EXPERIMENTS.names()
    assert len({one.order for one in sections()}) == len(sections()) == len(modules())
    for module, one in zip(modules(), sorted(sections(), key=lambda one: one.name.replace("-", "_")), strict=True):
        assert module.rpartition(".")[2] == one.name.replace("-", "_")


@pytest.mark.parametrize("one", sections(), ids=lambda one: one.name)
def test_what_a_section_states_stands_in_its_own_file(one: Any) -> None:
    """By name, so that the digest of each stage can find it."""
    functions = [one.table, one.findings, one.published, one.shown, *one.values.values()]
    functions += [function for figure in one.figures for function in (figure.draw, figure.caption, figure.picker)]
    for function in functions:
        if function:
            assert function.__module__ == f"etsdm.report.experiments.{one.name.replace('-', '_')}"
            assert "<" not in function.__qualname__
    assert all(claim.experiment == one.name for claim in one.claims)
    assert [claim.primary for claim in one.claims].count(True) == (one.shown is None and one.trains)


def test_no_other_file_of_the_report_names_an_experiment() -> None:
    """But for words that are also columns, metrics or kinds of runs."""
    others = {
        *COLUMNS,
        *STAGES,
        *(metric.name for metric in metrics.METRICS),
        "data",
        "samples",
        "losses",
        "costs",
        "verdicts",
    }
    names = {one.name for one in sections()} - others
    assert len(names) >= 10
    for file in REPORT.rglob("*.py"):
        if file.parent.name != "experiments":
            words = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
            assert not names & words, file


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("lipschitz",), ["verdicts", "lipschitz", "data", "losses", "costs"]),
        (("theory", "lipschitz"), ["verdicts", "lipschitz", "theory", "data", "losses", "costs"]),
        (("theory",), ["verdicts", "theory", "costs"]),
        (("fast-sampling",), ["verdicts", "fast-sampling", "data", "samples", "losses", "costs"]),
    ],
)
def test_a_report_has_the_sections_of_its_experiments_in_order(names: tuple[str, ...], expected: list[str]) -> None:
    assert [one.name for one in sections_of(inventory(*names))] == expected
    assert contents.experiments(inventory(*names)) == [name for name in expected if name in names]


def test_an_unknown_experiment_is_an_error_with_the_names_that_there_are() -> None:
    with pytest.raises(UserError, match="experiment 'mine': the report has no section for it; known: lipschitz, comp"):
        sections_of(inventory("lipschitz", "mine"))
    with pytest.raises(UserError, match="experiment 'samples'"):
        sections_of(inventory("samples"))
    with pytest.raises(UserError, match="measurement 'mine': no section of the report explains it; known: lipschitz, "):
        values_of("mine")
    assert section("theory").title == "Theory on exact data"


def test_the_code_of_a_figure_is_its_own() -> None:
    draw = "etsdm.report.experiments.stability.draw"
    asked_for = {"config": {"experiments": {"stability": {"t": 1}}}}
    assert contents.figure_code(asked_for, "stability") == [draw, "etsdm.report.experiments.stability.published"]
    files = {name for name, _ in reached(draw)}
    assert "etsdm.report.figures.perturbations" in files
    assert not files & {
        "etsdm.report.figures.heat_map",
        "etsdm.report.tables.comparison",
        "etsdm.report.findings.judge",
    }
    assert is_same(code("figure", draw))
    assert not is_same(code("figure", draw).replace("stability.draw", "stability.gone"))
    with pytest.raises(ModuleNotFoundError):
        reached("etsdm.report.experiments.stability.gone")


def test_a_figure_that_a_report_does_not_have_is_an_error() -> None:
    with pytest.raises(UserError, match="figure 'mine': this report has none; it has verdicts, lipschitz, data, lo"):
        contents.figure(inventory("lipschitz"), "mine")
