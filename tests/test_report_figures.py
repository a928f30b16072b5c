"""The figures of the report."""

import json
import math
import re
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hand_made import write_measurement, write_results
from matplotlib.axes import Axes
from matplotlib.text import Text
from PIL import Image
from reports import (
    PUBLISHED,
    configuration,
    every_experiment,
    read,
    read_cell,
    write_report,
)

from etsdm.report.captions import solvers
from etsdm.report.cells import cells
from etsdm.report.colours import INK, LINE
from etsdm.report.figures.losses import draw_losses, thinned
from etsdm.report.figures.paired import draw_paired
from etsdm.report.figures.style import STYLE, apart, look
from etsdm.report.figures.write import draw, write_figures
from etsdm.report.findings.judge import findings
from etsdm.report.plates import inlined
from etsdm.report.published import published_value
from etsdm.report.results import load


def test_figures_show_something(built: tuple[Path, Path]) -> None:
    for file in (built[0] / "figures").glob("*.png"):
        with Image.open(file) as image:
            assert image.width > 500
            assert np.asarray(image.convert("L")).std() > 5, file.name


def test_figures_are_the_same_bytes_again(built: tuple[Path, Path], tmp_path: Path) -> None:
    report, results = built
    for name in ("inventory.json", "rows.csv", "losses.csv"):
        shutil.copy(report / name, tmp_path)
    write_figures(tmp_path, results, PUBLISHED)
    for file in (report / "figures").iterdir():
        assert (tmp_path / "figures" / file.name).read_bytes() == file.read_bytes(), file.name


def test_loss_curve_is_averaged_over_equal_stretches() -> None:
    curve = pd.DataFrame({"images": [1, 2, 3, 4, 5, 6, 7, 8], "loss": [8.0, 6.0, 4.0, 2.0, 1.0, 3.0, 5.0, 7.0]})
    thin = thinned(curve, 2)
    assert list(thin["loss"]) == [6.0, 3.6]  # images 1 to 3, and 4 to 8


def test_marks_have_names_where_there_is_room_for_them() -> None:
    """Near-equal values keep one name, and the ends theirs."""
    assert apart([10, 20, 50], ["10", "20", "50"], 2.0) == ["10", "20", "50"]
    assert apart([10, 11, 1000], ["10", "11", "1000"], 2.0) == ["10", "", "1000"]
    assert apart([10, 950, 1000], ["10", "950", "1000"], 2.0) == ["10", "", "1000"]
    assert apart([999, 1000], ["999", "1000"], 2.0) == ["999", "1000"], "alone they fill the axis"
    assert apart([7], ["7"], 2.0) == ["7"]


def test_names_of_marks_do_not_overlap_and_no_panel_is_a_single_dot(built: tuple[Path, Path]) -> None:
    for name, figure in draw(read(built[0])):
        figure.canvas.draw()
        for axes in figure.findobj(Axes):
            for axis in (axes.xaxis, axes.yaxis) if axes.get_visible() else ():
                texts = [text for text in axis.get_ticklabels() if text.get_text() and not text.get_rotation()]
                boxes = [text.get_window_extent() for text in texts]
                assert not any(a.overlaps(b) for a, b in combinations(boxes, 2)), (name, axes.get_title())
        if name == "fast-sampling":
            titles = [axes.get_title() for axes in figure.axes]
            assert titles[0] == "ddim" and "one budget" in titles
            assert "(lower is better)" in figure.axes[0].get_ylabel()


def test_long_names_of_rows_leave_room_for_the_titles(built: tuple[Path, Path]) -> None:
    results = read(built[0])
    rows = results.rows.assign(solver_label="ddim (time shifted in a window of 40 above t = 300)")
    with matplotlib.rc_context(STYLE):
        figure = draw_paired(replace(results, rows=rows), "fast-sampling", ["solver_label"])
        figure.canvas.draw()
    names = {axes.get_title(loc="left") for axes in figure.axes}
    titles = [text for text in figure.findobj(Text) if text.get_text() in names]
    assert len(titles) == len(figure.axes) > 1
    assert not any(a.get_window_extent().overlaps(b.get_window_extent()) for a, b in combinations(titles, 2))
    plt.close(figure)


def test_losses_are_shown_as_changes_against_ddpm_of_the_same_seed(built: tuple[Path, Path]) -> None:
    results = read(built[0])
    losses = results.losses.copy()
    mine = losses["method"] == "etsdm"
    ddpm = losses[~mine].set_index(["seed", "images"])["loss"]
    keys = pd.MultiIndex.from_frame(losses.loc[mine, ["seed", "images"]])
    losses.loc[mine, "loss"] = 0.9 * ddpm.loc[keys].to_numpy()
    figure = draw_losses(replace(results, losses=losses))
    change = next(axes for axes in figure.axes if axes.get_title() == "all timesteps")
    (line,) = [line for line in change.lines if line.get_label() == "E-TSDM"]
    assert np.allclose(line.get_ydata(), -10)
    plt.close(figure)


def test_a_replica_is_paired_with_ddpm_of_the_seed_that_it_shifts(tmp_path: Path) -> None:
    """Two replicas, each a tenth worse than ddpm in every seed: a change that does not vary, though the values do."""
    values = {3: 1.0, 7: 2.0}

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        return values[model["seed"] % 1000] * (1.1 if model["method"]["name"] == "replica" else 1.0)

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        write_measurement(results, inventory, measurement, distance)

    config = configuration()
    for block in config["experiments"].values():
        block["methods"] = ["ddpm", "etsdm", "replica", {"name": "replica", "number": 2}]
    report = write_results(tmp_path, config, measure)
    seeds = {model["seed"] for model in json.loads((report / "inventory.json").read_text())["models"].values()}
    assert seeds == {3, 7, 1003, 1007, 2003, 2007}
    for file in ("rows.csv", "losses.csv"):
        assert set(pd.read_csv(report / file)["seed"]) == {3, 7}
    write_report(report, tmp_path)
    for replica in (1, 2):
        which = {"method": "replica", "method_parameters": json.dumps({"number": replica})}
        cell = read_cell(report, "comparison", metric="fd-classifier-1k", **which)
        assert (cell["n"], cell["mean"]) == (2, pytest.approx(1.65))
        assert cell["change"] == pytest.approx(10)
        assert [float(effect) for effect in cell["effects"].split()] == pytest.approx([math.log(1.1)] * 2)
    all_findings = findings(read(report))
    chance = [finding for finding in all_findings if finding.claim.short == "A/A: DDPM against itself"]
    assert [(finding.role, finding.tests) for finding in chance] == [("control", 1)] * 2
    assert not any("replica" in f.measured for f in all_findings if f not in chance), "no gain of E-TSDM's"
    assert "replica" in (report / "report.html").read_text(encoding="utf-8")


def test_schedules_and_variants_of_a_method_are_told_apart(tmp_path: Path) -> None:
    config = configuration()
    config["seeds"] = [3]
    for block in config["experiments"].values():
        block["schedules"] = ["linear", "quadratic"]
        block["methods"] = ["ddpm", "etsdm", {"name": "etsdm", "t_tilde": 200, "n": 5}]

    def only_probes(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        if measurement["kind"] == "lipschitz":
            write_measurement(results, inventory, measurement)

    report = write_results(tmp_path, config, only_probes)
    results = load(report, tmp_path, None)
    names = ["DDPM", "E-TSDM (t̃ 100)", "E-TSDM (t̃ 200)"]
    assert list(dict.fromkeys(results.rows["method_label"])) == names
    drawn = {}
    for name, figure in draw(results):
        drawn[name] = " ".join(axes.get_title() for axes in figure.axes)
    names = [
        "verdicts",
        "lipschitz",
        "comparison",
        "fast-sampling",
        "fast-sampling-changes",
        "data",
        "samples",
        "losses",
    ]
    assert list(drawn) == names
    for name in ("lipschitz", "samples"):
        assert "linear" in drawn[name]
        assert "quadratic" in drawn[name]


def test_the_control_compares_solvers_without_options(tmp_path: Path) -> None:
    """DDIM that stops early comes first and is far better than 2M; DDIM itself is twice as far as 2M."""

    def distance(model: dict[str, Any], solver: dict[str, Any]) -> float:
        return 0.1 if "t_end" in solver else 2.0 if solver["name"] == "ddim" else 1.0

    def measure(results: Path, inventory: dict[str, Any], measurement: dict[str, Any]) -> None:
        write_measurement(results, inventory, measurement, distance)

    config = configuration()
    solvers = [{"name": "ddim", "nfe": [10], "t_end": 50}, {"name": "ddim", "nfe": [10]}]
    config["experiments"]["fast-sampling"]["solvers"] = [*solvers, {"name": "dpm-solver++-2m", "nfe": [10]}]
    report = write_results(tmp_path, config, measure)
    (control,) = [f for f in findings(read(report)) if f.claim.short == "control: 2M beats DDIM at 10 NFE"]
    assert control.change is not None and control.change.effect == pytest.approx(math.log(0.5))


def test_solvers_with_options_are_told_apart_in_words(tmp_path: Path) -> None:
    """And they are none of the paper's."""
    config = configuration() | {"seeds": [3]}
    ddim = {"name": "ddim", "nfe": [50]}
    scaled = [ddim | {"eps_scale": scale} for scale in (1.005, {"k": 2e-5, "b": 1.0})]
    stopped = [ddim | {"t_end": 20}, ddim | {"t_end": 50, "eta": 1.0}]
    shifted = ddim | {"time_shift": {"window": 40, "cutoff": 300}}
    config["experiments"]["fast-sampling"]["solvers"] = [ddim, *stopped, *scaled, shifted]
    report = write_results(tmp_path, config)
    results = load(report, tmp_path, PUBLISHED)
    fast = results.experiment("fast-sampling")
    assert list(dict.fromkeys(fast["solver_label"])) == [
        "ddim (eta 0.0)",
        "ddim (stopped at t = 20, eta 0.0)",
        "ddim (stopped at t = 50, eta 1.0)",
        "ddim (eps / 1.005, eta 0.0)",
        "ddim (eps / (2e-05 t + 1.0), eta 0.0)",
        "ddim (time shifted in a window of 40 above t = 300, eta 0.0)",
    ]
    (words,) = {line for line in solvers(results, "fast-sampling") if "20" in line}
    assert words.startswith("ddim at 50 NFE (grid uniform, ") and "stopped at t = 20" in words and "none" not in words
    table = cells(fast[fast["metric"] == "fd-classifier-1k"])
    known = {cell["solver_label"] for _, cell in table.iterrows() if published_value(results.published, cell)}
    assert known == {"ddim (eta 0.0)"}


def test_a_method_that_no_list_knows_is_in_every_figure_in_a_colour_of_its_own(tmp_path: Path) -> None:
    """As a plug-in's is: here every method but ddpm has an invented name."""
    report = write_results(tmp_path, every_experiment() | {"seeds": [3]})
    for file in (report / "rows.csv", report / "losses.csv"):
        frame = pd.read_csv(file, keep_default_na=False)
        frame["method"] = frame["method"].map(lambda name: name if name in ("ddpm", "remap") else f"my-{name}")
        frame.to_csv(file, index=False)
    results = read(report)
    invented = {"my-etsdm", "my-regularization", "my-unconditional", "my-embedding-scale"}
    assert set(results.methods) == {"ddpm", "remap", *invented}
    for name, figure in draw(results):
        words = " ".join(text.get_text() for text in figure.findobj(Text))
        unnamed = ("verdicts", "data", "ablation", "theory-derivative", "theory-sharing")
        assert "my-etsdm" in words or name in unnamed, name
    looks = look(results.experiment("alternatives"), results.methods)
    assert len({colour for colour, _ in looks.values()}) == len(looks) == 5
    assert looks["DDPM"] == look(results.experiment("lipschitz"), results.methods)["DDPM"]
    assert looks["my-etsdm"] == look(results.experiment("lipschitz"), results.methods)["my-etsdm"]


def test_colours_last_for_any_number_of_methods() -> None:
    names = [f"mine-{i}" for i in range(20)]
    rows = pd.DataFrame({"method": names, "method_label": names})
    assert len({colour for colour, _ in look(rows, names).values()}) == 20


# ---------------------------------------------------------------- drawings in the page


def test_a_pointer_on_a_point_shows_its_value(built: tuple[Path, Path]) -> None:
    """In every figure of curves or changes, and nothing of it is seen."""
    for name in ("lipschitz", "fast-sampling", "fast-sampling-changes", "comparison", "verdicts"):
        svg = (built[0] / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        titles = re.findall(r'<g class="hint"><title>([^<]+)</title>', svg)
        assert titles and "hint: " not in svg, name
        assert all(re.search(r"\d", title) for title in titles)
    k = (built[0] / "figures" / "lipschitz.svg").read_text(encoding="utf-8")
    assert re.search(r"<title>DDPM at 10: [\d.]+ ± [\d.]+ \(n = 2\)</title>", k)


def test_a_drawing_in_the_page_has_names_of_its_own_and_the_pages_colours(built: tuple[Path, Path]) -> None:
    svg = (built[0] / "figures" / "lipschitz.svg").read_text(encoding="utf-8")
    drawing = inlined(svg, "lipschitz", 'K against "t"')
    assert drawing.startswith('<svg viewBox="0 0 ') and 'aria-label="K against &quot;t&quot;"' in drawing
    names = set(re.findall(r'id="([^"]+)"', drawing))
    assert names and all(name.startswith("lipschitz-") for name in names)
    used = re.findall(r'(?:xlink:href="|url\()#([^")]+)', drawing)
    assert used and set(used) <= names
    assert "var(--ink)" in drawing and "var(--line)" in drawing
    assert not {INK, LINE} & set(re.findall(r"#[0-9a-f]{6}", drawing))
    ElementTree.fromstring(drawing.replace("xlink:href", "href"))
