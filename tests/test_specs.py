"""Specifications of runs: those that the plan writes are taken as they are, and those of a person are checked."""

import copy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from configs import every
from trained import model_spec

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.plan.plan import make_plan
from etsdm.plan.runs import through_json
from etsdm.plan.specs import read_spec
from etsdm.runtime.files import write_json

STAGES = {
    "data": "data",
    "encoders": "encoder",
    "models": "model",
    "snapshots": "snapshot",
    "samples": "sample",
    "restorations": "restoration",
    "probes": "probe",
    "theory": "theory",
}


def test_what_the_plan_writes_is_taken_as_it_is(tmp_path: Path) -> None:
    for stage, runs in make_plan(every(), "test").runs().items():
        assert runs
        for run in runs.values():
            write_json(tmp_path / "spec.json", run.spec)
            assert read_spec(tmp_path / "spec.json", STAGES[stage]) == through_json(run.spec)


def changed(*path: str, **new: Any) -> dict[str, Any]:
    """The specification of a model with a block changed; None takes a key away."""
    spec = copy.deepcopy(model_spec("etsdm"))
    block = spec
    for key in path:
        block = block[key]
    block.update(new)
    for key in [key for key, value in new.items() if value is None]:
        del block[key]
    return spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (changed(method=None), "method: missing; it must be given"),
        (changed("training", batch=None), "training.batch: missing; it must be given"),
        (changed("training", bacth=3), "training.bacth: unknown key; allowed: preset, images, batch,"),
        (changed("method", t_tidle=3), "method.t_tidle: unknown key; allowed: name, t_tilde, n, partition; did you"),
        (changed("dataset", name=None), "dataset.name: missing; it must be given"),
        (changed("dataset", resoltion=8), "dataset.resoltion: unknown key; allowed: name, resolution, channels"),
        (changed(sede=1), "sede: unknown key; allowed: task, dataset"),
        (changed("network", blocks=10**6), "network.blocks: input should be less than or equal to 32"),
        ([1], "input should be"),
    ],
)
def test_a_mistake_in_a_specification_is_named(tmp_path: Path, spec: Any, message: str) -> None:
    write_json(tmp_path / "spec.json", spec)
    (tmp_path / "images.zip").touch()
    done = CliRunner().invoke(
        main, ["train", "--spec", str(tmp_path / "spec.json"), "--data", str(tmp_path / "images.zip")]
    )
    assert done.exit_code == 2
    assert message in done.output
    assert all(line.startswith(f"etsdm: error: {tmp_path / 'spec.json'}: ") for line in done.output.splitlines())


@pytest.mark.parametrize("text", ["[1", "", "[" * 100_000, "\xff"])
def test_what_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"spec\.json: not valid JSON"):
        read_spec(tmp_path / "spec.json", "model")


def test_what_a_specification_lacks_is_filled_with_defaults(tmp_path: Path) -> None:
    write_json(tmp_path / "spec.json", {"samples": 3, "seed": 0, "solver": {"name": "ddim", "nfe": 5}})
    spec = read_spec(tmp_path / "spec.json", "sample")
    assert spec["precision"] == "tf32"
    assert spec["solver"] == {
        **{"name": "ddim", "nfe": 5, "grid": "uniform", "denoise": True, "clip_x0": "auto", "eta": 0.0}
    }
    write_json(
        tmp_path / "spec.json", {"name": "mine", "source": "zip", "path": "a.zip", "resolution": 8, "channels": 1}
    )
    assert read_spec(tmp_path / "spec.json", "data")["resize"] is None
