"""What goes when a workflow has ended, and what of the sample sets is shown."""

from pathlib import Path

import pytest
from configs import tiny

from etsdm.plan.plan import Plan, make_plan
from etsdm.plan.tidy import drop_orphans, tidy

SOLVERS = "experiments.fast-sampling.solvers"


def plan_of(**keep: object) -> Plan:
    solvers = [{"name": "ddim", "nfe": [2, 5]}, {"name": "dpm-solver-2", "nfe": [4]}]
    return make_plan(tiny(seeds=[3, 4], keep=keep, **{SOLVERS: solvers}), "test", look=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A map, and the logs of a sample set that is scored and of one that is not."""
    plan = plan_of()
    first, second = list(plan.measured("distance").values())[:2]
    files = [f"{first.run.path}/sample.log", f"{second.run.path}/sample.log", first.file]
    for file in [*files, *(f"{path}/.images.zip.0123.npy" for path in plan.data)]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def left(results: Path) -> list[str]:
    return sorted(path.suffix for path in results.rglob("*") if path.is_file())


def test_everything_is_kept_unless_it_need_not_be(results: Path) -> None:
    tidy(results, plan_of(), done=True)
    assert left(results) == [".json", ".log", ".log", ".npy"]


def test_maps_go_at_a_good_end_and_logs_with_the_scores(results: Path) -> None:
    plan = plan_of(maps=False, logs=False)
    tidy(results, plan, done=False)
    assert left(results) == [".json", ".log", ".npy"]
    tidy(results, plan, done=True)
    assert left(results) == [".json", ".log"]


def test_decoded_images_go_with_their_archive(results: Path) -> None:
    (folder,) = (results / path for path in plan_of().data)
    (folder / "images.zip").touch()
    drop_orphans(results, plan_of().data)
    assert ".npy" in left(results)
    (folder / "images.zip").unlink()
    drop_orphans(results, plan_of().data)
    assert ".npy" not in left(results)


def test_the_sets_in_figures_are_shown() -> None:
    """Of two methods, the first seed and, of each solver, the largest number of evaluations."""
    plan = plan_of(samples="shown")
    shown = [plan.samples[path] for path in plan.shown()]
    assert sorted((run.spec["seed"], run.spec["solver"]["nfe"]) for run in shown) == [(3, 4), (3, 4), (3, 5), (3, 5)]
    assert plan_of().shown() == set()


def test_keeping_less_changes_no_specification() -> None:
    assert plan_of(samples="shown", maps=False, logs=False).inventory() == plan_of().inventory()
