"""Things of one's own: a file in its folder, or a plug-in outside the package, is all it takes."""

import runpy
import shutil
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner
from configs import tiny
from mixtures import GaussianMixture, SmoothSchedule
from projects import Project, copy_project

from etsdm.cli import main
from etsdm.config.registry import Registry, registries
from etsdm.errors import UserError
from etsdm.solvers import SOLVERS, Solver
from etsdm.solvers.ancestral import Ancestral

FILES = Path(__file__).parent / "extensions"
HOMES = {
    "heun.py": "etsdm/solvers",
    "half_time.py": "etsdm/diffusion/methods",
    "square.py": "etsdm/diffusion/schedules",
    "stripes.py": "etsdm/data/sources",
    "mean_gap.py": "etsdm/metrics/distances",
    "two_budgets.py": "etsdm/experiments",
    "report/two_budgets.py": "etsdm/report/experiments",
}
"""The folder of each file, as CONTRIBUTING.md says."""
PLUGGED = ("heun.py", "half_time.py", "square.py", "stripes.py", "mean_gap.py")
"""Those that a configuration can name as plug-ins."""


@pytest.fixture(autouse=True)
def forget():
    """A process uses the plug-ins of one configuration; here many follow each other."""
    before = {registry: dict(registry.all()) for registry in registries()}
    yield
    for registry, things in before.items():
        registry._things = things


GRID: dict[str, Any] = {
    "schedules": ["linear", "square"],
    "methods": ["ddpm", "half-time"],
    "solvers": [{"name": "heun", "nfe": [2, 4]}, {"name": "ddim", "nfe": 2}],
}


def run_all(project: Project) -> tuple[pd.DataFrame, str]:
    """The rows and the page of a whole run; the methods, schedules and solvers of our own are measured and shown."""
    assert project.run("etsdm", "check", str(project.config)).returncode == 0
    done = project.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    report = project.folder / "results" / "reports" / "tiny"
    rows, page = pd.read_csv(report / "rows.csv"), (report / "report.html").read_text()
    assert rows["value"].notna().all() and "could not be drawn" not in page
    assert {"half-time", "ddpm"} == set(rows["method"]) and {"heun", "ddim"} == set(rows["solver"])
    assert {"linear", "square"} == set(rows["schedule"])
    assert all(name in page for name in ("heun", "half-time", "square"))
    return rows, page


@pytest.mark.slow
@pytest.mark.workflow
def test_a_new_file_in_its_folder_is_all_it_takes(tmp_path):
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    for name, home in HOMES.items():
        shutil.copy(FILES / name, project.folder / home)
    experiments = {"two-budgets": GRID | {"datasets": ["stripes"]}}
    changes = {"evaluation.distances": ["frechet", "mean-gap"], "training.images": 64, "experiments": experiments}
    project.config.write_text(yaml.safe_dump(tiny(datasets={"stripes": {"source": "stripes"}}, **changes)))
    rows, page = run_all(project)
    assert set(rows["dataset"]) == {"stripes"} and set(rows["experiment"]) == {"two-budgets"}
    assert set(rows["metric"]) == {"fd-classifier-70", "gap-classifier-70"}
    assert all(words in page for words in ("Few and many evaluations", "A figure of our own", "gap-classifier-70"))


@pytest.mark.slow
@pytest.mark.workflow
def test_a_plug_in_is_measured_and_an_edit_of_it_measures_again(tmp_path):
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project")
    mine = tmp_path / "with a space"
    mine.mkdir()
    plugins = [shutil.copy(FILES / name, mine) for name in PLUGGED]
    experiments = {"fast-sampling": GRID | {"datasets": ["stripes"]}}
    changes = {"evaluation.distances": ["frechet", "mean-gap"], "training.images": 64, "experiments": experiments}
    changes |= {"plugins": [str(file) for file in plugins], "datasets": {"stripes": {"source": "stripes"}}}
    project.config.write_text(yaml.safe_dump(tiny(**changes)))
    rows, page = run_all(project)
    assert set(rows["metric"]) == {"fd-classifier-70", "gap-classifier-70"} and "gap-classifier-70" in page
    assert project.would_run() == {}
    solver = mine / "heun.py"
    solver.write_text(solver.read_text().replace("(slope + guess) / 2", "slope"))
    assert project.would_run()["sample"] == 8


def plugged(folder: Path, text: str, **changes: Any) -> str:
    """What `etsdm check` says of a configuration with a plug-in of this text."""
    file = folder / "mine.py"
    file.write_text(text)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(tiny(plugins=[str(file)], **changes)))
    result = CliRunner().invoke(main, ["check", "--no-data", str(config)])
    assert result.exit_code == 2
    return result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines nothing that can be used; a plug-in defines one of: "),
        ("import nowhere_at_all", "the plug-in failed: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def (", "the plug-in failed: SyntaxError"),
        ((FILES / "heun.py").read_text().replace('"heun"', '"ddim"'), "there is a solver 'ddim' already"),
        ((FILES / "heun.py").read_text().replace("    order:", "    place:"), "Heun states no `order`"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_one_message(tmp_path, text, message):
    assert message in plugged(tmp_path, text)


def test_a_missing_plug_in_is_one_message(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tiny(plugins=["nowhere.py"])))
    result = CliRunner().invoke(main, ["check", "--no-data", str(config)])
    assert result.exit_code == 2 and "nowhere.py: no such plug-in" in result.output


def test_the_settings_of_a_plug_in_are_checked_like_ours(tmp_path):
    text = (FILES / "heun.py").read_text().replace('"heun"', '"heun-2"')
    solvers = [{"name": "heun-2", "nfe": [4], "lower_order": True}]
    output = plugged(tmp_path, text, **{"experiments.fast-sampling.solvers": solvers})
    assert "solvers[0].lower_order: unknown key; allowed: name, nfe, grid, denoise, clip_x0, lambda_start" in output
    solvers = [{"name": "heun-2", "nfe": [1]}]
    assert "needs at least 2" in plugged(tmp_path, text, **{"experiments.fast-sampling.solvers": solvers})


def test_an_unknown_name_raises_with_the_names_that_there_are():
    with pytest.raises(UserError, match=r"unknown solver .ddimm.; allowed: ancestral, ddim, .*mean .ddim.*--plugin"):
        SOLVERS["ddimm"]


def test_a_former_name_is_refused_with_the_one_of_today(tmp_path):
    with pytest.raises(UserError, match=r"^the solver 'ddpm' is called 'ancestral' now$"):
        SOLVERS["ddpm"]
    (tmp_path / "weights").touch()
    command = ["sample", "--weights", str(tmp_path / "weights"), "--solver", "ddpm", "--out", str(tmp_path / "a.png")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and "the solver 'ddpm' is called 'ancestral' now" in done.output


def test_a_new_thing_may_take_a_former_name():
    class Again(Ancestral):
        name: Literal["ddpm"]

    registry = Registry("etsdm.solvers", "solver", Solver)
    registry.all()["ddpm"] = Again
    assert registry["ddpm"] is Again


def test_things_are_listed_in_the_order_that_they_state():
    registry = Registry("etsdm.solvers", "solver", Solver)
    assert registry.names() == sorted(registry.names(), key=lambda name: (registry[name].order, name))
    assert registry.names()[:2] == ["ancestral", "ddim"]


def test_the_solver_of_the_recipe_is_of_second_order(tmp_path):
    module = runpy.run_path(str(FILES / "heun.py"))
    schedule, mixture = SmoothSchedule(), GaussianMixture()
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    settings = module["Heun"]
    exact, *solutions = (
        module["solve"](mixture.predictor(schedule), schedule, x, settings(name="heun", nfe=[n], grid="log-snr"), None)
        for n in (2000, 100, 200)
    )
    errors = [float((one - exact).abs().max()) for one in solutions]
    assert 3.4 < errors[0] / errors[1] < 4.6
