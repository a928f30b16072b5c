"""All experiments in one configuration by real Snakemake, to the report; and once more with a solver that fails."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from configs import EVERY, every
from projects import Project, copy_project

from etsdm.cost.estimate import estimate
from etsdm.plan.plan import load_plan


@pytest.mark.slow
@pytest.mark.workflow
def test_every_experiment_ends_in_measurements_and_a_failed_cell_is_na(tmp_path: Path) -> None:
    copy_project(tmp_path / "project")
    project = Project(tmp_path / "project", "every.yaml")
    project.config.write_text(yaml.safe_dump(every(**{"experiments.resolution.resolutions": [8]})))
    report = project.folder / "results" / "reports" / "every"

    done = project.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    rows, page = pd.read_csv(report / "rows.csv"), (report / "report.html").read_text()
    assert set(rows["experiment"]) == set(EVERY) - {"theory"}
    assert rows["value"].notna().all()
    assert set(EVERY) <= {path.stem for path in (report / "tables").glob("*.csv")}
    assert all(name in page for name in EVERY)
    progress = rows[(rows["experiment"] == "progress") & (rows["metric"] == "K") & (rows["t"] == 10)]
    points = progress[progress["method"] == "ddpm"].set_index(["images_seen", "ema_half_life"])["value"]
    assert set(points.index) == {(100, 128), (100, 64), (256, 128), (256, 64)}
    assert points.nunique() == 4
    assert project.would_run() == {}
    assert project.file_count() == sum(row.files for row in estimate(load_plan(project.config, look=False), None))

    old = "    orders = step_orders("
    new = "    from etsdm.errors import UserError\n\n    raise UserError('bad day')\n" + old
    project.edit("etsdm/solvers/dpm_solver.py", old, new)
    assert project.snakemake("--keep-going").returncode == 1
    done = project.run("etsdm", "report", str(project.config))
    assert done.returncode == 0, done.stderr
    rows, page = pd.read_csv(report / "rows.csv"), (report / "report.html").read_text()
    failed, kept = rows[rows["value"].isna()], rows[rows["value"].notna()]
    assert set(failed["reason"]) == {"bad day"}
    assert set(failed["experiment"]) == {"fast-sampling"}
    assert set(failed["solver"].dropna()) == {"dpm-solver-2"}
    assert set(kept["experiment"]) == set(EVERY) - {"theory"}
    assert "bad day" in page
    table = (report / "tables" / "fast-sampling.md").read_text()
    assert table.count("NA") >= 2
    assert "bad day" in table
