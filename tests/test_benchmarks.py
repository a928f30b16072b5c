"""Each benchmark at its smallest size: it runs and prints its rows. No time is judged."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from configs import tiny, write_config
from scipy.stats import ttest_rel
from typed import build_network

ROOT = Path(__file__).resolve().parents[1]
NETWORK = ["--resolution", "8", "--width", "32"]


@pytest.fixture(autouse=True)
def root_on_path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def bench(name, *arguments, repeats=1):
    main = importlib.import_module(f"benchmarks.{name}").main
    done = CliRunner().invoke(main, [*map(str, arguments), *(["--repeats", str(repeats)] if repeats else [])])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def smallest(tmp_path):
    """A benchmark of six jobs."""
    values = tiny(experiments={"theory": {"schedules": ["linear"], "times": ["continuous"], "n": [2, 5], "points": 8}})
    file = tmp_path / "smallest.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_training_step():
    output = bench("training_step", *NETWORK, "--batch", 2)
    assert "| diffusers UNet2DModel |" in output and "of the matrix-product rate" in output


def test_both_networks_have_the_same_size():
    networks = importlib.import_module("benchmarks.networks")

    theirs = networks.diffusers_network(32, 64)
    ours = build_network(networks.model_spec(32, 64, 1))
    count, peer = (sum(parameter.numel() for parameter in network.parameters()) for network in (ours, theirs))
    assert count == pytest.approx(peer, rel=1e-3)


def test_sampling():
    assert "| diffusers DDIMPipeline |" in bench("sampling", *NETWORK, "--nfe", 2, "--images", 2)


@pytest.mark.slow
def test_fid():
    output = bench("fid", "--images", 3)
    assert "| clean-fid |" in output.replace("  ", "")
    assert float(output.rpartition("difference ")[2]) < 1e-2


@pytest.mark.slow
def test_resizing():
    output = bench("resizing", "--images", 3, repeats=None)
    assert "fid-clean-inception-3" in output and "fid-legacy-3" in output


def test_score():
    output = bench("score", "--images", 70, "--references", 90, "--length", 64, "--replicates", 2)
    assert "the same with 2 replicates" in output
    assert "the reference's own part, once" in output and "a set of 70 against 90" in output


@pytest.mark.slow
@pytest.mark.workflow
def test_overhead(smallest):
    assert "7 jobs, 1 cores" in bench("overhead", "--config", smallest, "--cores", 1)


@pytest.mark.slow
@pytest.mark.workflow
def test_rerun(smallest):
    output = bench("rerun", "--config", smallest, "--cores", 1, "--runs", 1)
    assert "rerun with nothing to do, 9 jobs" in output and "dry run of 1 runs, 9 jobs" in output


@pytest.mark.slow
def test_baseline(tmp_path):
    output = bench("baseline", "--config", write_config(tmp_path / "tiny.yaml"), "--nfe", 2)
    shown = [cell.strip() for cell in output.split("|")]
    samplers = ("ancestral 2, ours, x_0 clipped", "DDIM 2, ours", "ancestral 2, DDPMPipeline", "DDIM 2, DDIMPipeline")
    assert all(shown.count(sampler) == 3 for sampler in samplers)
    assert all(shown.count(training) == 6 for training in ("ours", "diffusers, its example", "diffusers, our rate"))


def test_a_change_of_the_baseline_is_paired_by_seed():
    change = importlib.import_module("benchmarks.baseline").change
    peer, ours = [12.0, 15.0, 11.0], [10.0, 11.0, 10.5]
    interval = ttest_rel(np.log(peer), np.log(ours)).confidence_interval()
    low, high = (100 * np.expm1(end) for end in interval)
    assert change(peer, ours).endswith(f"[{low:+.1f}, {high:+.1f}]")
    assert change([11.0], [10.0]) == "+10.0 %" and change(ours, ours) == ""


@pytest.mark.slow
def test_scaling():
    size = ["--images", 32, "--samples", 1, "--nfe", 1, "--largest", 2]
    output = bench("scaling", *size, "--what", "evaluations", "--what", "seeds")
    assert output.count("| x2 ") == 2


def test_a_straight_line_is_one_with_any_start():
    rows_of = importlib.import_module("benchmarks.scaling").rows_of
    costs = {size: [(3 + 2 * size, 100), (1 + size, 100)] for size in (1, 2, 4, 8)}
    assert {row["beside the line"] for row in rows_of("x", costs)} == {"1 (1 to 1)"}
    costs[8] = [(30, 200), (9, 150)]
    last = rows_of("x", costs)[-1]
    assert last["memory"] == "1.75 (1.5 to 2)" and last["s"] == "19.5 (9 to 30)" and last["MB"] == "175"


def test_repetitions_are_taken_in_turn_and_compared_pairwise():
    timing, done = importlib.import_module("benchmarks.timing"), []
    seconds = timing.in_turn({name: lambda name=name: done.append(name) for name in "ab"}, 3)
    assert done == [*"abababab"] and [len(values) for values in seconds.values()] == [3, 3]
    assert timing.ratios({"etsdm": [1.0, 6.0], "peer": [2.0, 3.0]}, "peer") == [2.0, 0.5]


def test_as_many_seeds_are_taken_as_a_number_of_runs_needs():
    with_runs = importlib.import_module("benchmarks.rerun").with_runs
    from etsdm.plan.plan import make_plan

    plan = make_plan(with_runs(tiny(), 50), "test", look=False)
    assert 50 <= sum(map(len, plan.runs().values())) < 50 + 8
    assert np.array_equal(plan.config.seeds, range(len(plan.config.seeds)))


def test_false_calls_of_equal_networks_are_five_in_a_hundred():
    false_calls = importlib.import_module("benchmarks.false_calls").false_calls
    rng = np.random.default_rng(0)
    shared = rng.normal(size=30)
    logs = {name: shared + rng.normal(size=30) for name in "abc"}
    calls = false_calls(logs, {"a", "b"}, 10, 600)
    assert all(0.02 < calls[name] < 0.09 for name in ("a", "b", "c", "primary claim"))
    assert calls["any cell, by Holm"] < 0.09


def test_results_are_the_same_where_their_bytes_are(tmp_path):
    same_results = importlib.import_module("benchmarks.same_results")
    files = "models/a/seed0/weights.safetensors", "samples/a/scores.json", "models/a/.kept/weights.safetensors"
    for name in ("before", "after"):
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True)
            path.write_text(f"{file} {name if '.kept' in file else ''}")
    folders = [str(tmp_path / name) for name in ("before", "after")]
    done = CliRunner().invoke(same_results.main, folders)
    assert (done.exit_code, done.output) == (
        0,
        "weights: 1 equal, 0 differ, 0 in one folder alone\nscores: 1 equal, 0 differ, 0 in one folder alone\n",
    )
    (tmp_path / "after" / "samples/a/scores.json").write_text("other")
    (tmp_path / "after" / "models/a/seed0/weights.safetensors").unlink()
    done = CliRunner().invoke(same_results.main, folders)
    assert done.exit_code == 1
    assert "  samples/a/scores.json\n" in done.output and "0 equal, 0 differ, 1 in one folder alone" in done.output
