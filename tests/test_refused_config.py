"""What a configuration does not allow, and the one clear message for each."""

import pytest
from blocks import ABLATION, DDIM, METHODS, PROGRESS, SAMPLED, SOLVERS
from click.testing import CliRunner
from configs import tiny, write_config
from pydantic import TypeAdapter

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.plan.reading import load_config, parse_config

ERROR = {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "solvers": DDIM}
RESOLUTION = {"datasets": ["digits"], "resolutions": [8, 16], "methods": ["ddpm"], "solvers": DDIM, "images": 4}
SUPER = {"train": "digits", "test": "digits", "factor": 2, "methods": ["ddpm"], "solvers": DDIM}
BAD = {
    "wrong type": ({"training.batch": "many"}, "training.batch: input should be a valid integer, not 'many'"),
    "wrong list": ({"seeds": 3}, "seeds: input should be a valid list, not 3"),
    "out of bounds": (
        {"training.batch": 0},
        "training.batch: input should be greater than or equal to 1, not 0",
    ),
    "not a number": (
        {"training.gradient_clip": float("inf")},
        "training.gradient_clip: input should be a finite",
    ),
    "unknown key": ({"training.lerning_rate": 1.0}, "did you mean 'learning_rate'?"),
    "unknown key at the top": ({"sedes": [1]}, "sedes: unknown key; allowed: base, name, seeds"),
    "an experiment's former name": (
        {"experiments.datasets": SAMPLED},
        "experiments.datasets: this experiment is called 'comparison' now; write comparison instead of datasets",
    ),
    "unknown experiment": ({"experiments.fast_sampling_": {}}, "did you mean 'fast-sampling'?"),
    "unknown solver": (
        {f"{SOLVERS}.0.name": "dimm"},
        "solvers[0].name: unknown 'dimm'; allowed: ancestral, ddim, dpm",
    ),
    "a solver's former name": (
        {f"{SOLVERS}.0.name": "ddpm"},
        "solvers[0].name: the solver 'ddpm' is called 'ancestral' now",
    ),
    "no name at all": ({f"{SOLVERS}.0.name": []}, "solvers[0].name: unknown '[]'; allowed: ancestral, ddim, dpm"),
    "unknown solver setting": (
        {f"{SOLVERS}.0.eat": 1.0},
        "solvers[0].eat: unknown key; allowed: name, nfe, grid",
    ),
    "unknown method": ({f"{METHODS}.0": "etsdmm"}, "methods[0].name: unknown 'etsdmm'; allowed: ddpm, etsdm"),
    "no method": ({f"{METHODS}.0": {"name": []}}, "methods[0].name: unknown '[]'; allowed: ddpm, etsdm"),
    "unknown schedule": (
        {"diffusion.schedule": "cosin"},
        "diffusion.schedule: unknown 'cosin'; allowed: linear",
    ),
    "unknown bundle": ({"datasets.digits.bundle": "digit"}, "datasets.digits.bundle: unknown 'digit'"),
    "unknown source": ({"datasets.digits.source": "zipp"}, "datasets.digits.source: unknown 'zipp'"),
    "data set not defined": (
        {"experiments.fast-sampling.datasets": ["digit"]},
        "experiments.fast-sampling: no data set 'digit'; allowed: digits; did you mean 'digits'?",
    ),
    "no evaluations": (
        {f"{SOLVERS}.0.nfe": [0]},
        "solvers[0].nfe[0]: input should be greater than or equal to 1",
    ),
    "too few evaluations": (
        {f"{SOLVERS}.1.nfe": [1]},
        "nfe = 1 is too few: dpm-solver-2 with these settings needs at least 2",
    ),
    "more steps than T": (
        {f"{SOLVERS}.0": {"name": "ancestral", "nfe": [1001]}},
        "fast-sampling: nfe = 1001 of ancestral is more than the 1000 timesteps that there are; allowed: up to 1000",
    ),
    "more evaluations than discrete times": (
        {f"{SOLVERS}.0": {"name": "dpm-solver-3", "nfe": [20, 1001]}},
        "experiments.fast-sampling: nfe = 1001 of dpm-solver-3 is more than the 1000 timesteps",
    ),
    "more steps than T in continuous time": (
        {f"{SOLVERS}.0": {"name": "ancestral", "nfe": [1001]}, "diffusion.time": "continuous"},
        "nfe = 1001 of ancestral is more than the 1000 timesteps",
    ),
    "more evaluations than times below the perturbation": (
        {"experiments.stability": {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "t": 10, "nfe": 20}},
        "experiments.stability: nfe = 20 is more than the 11 timesteps from t = 10 down; allowed: up to 11",
    ),
    "offset of nothing": (
        {"experiments.mismatch": {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "offsets": [0, 5]}},
        "experiments.mismatch.offsets[0]: 0 is always measured, so it need not be given; leave it out",
    ),
    "mismatch beyond T": (
        {"experiments.mismatch": {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "t": [1000]}},
        "experiments.mismatch: t: t = 1000 lies outside the times of the linear schedule; allowed: 0 to 999",
    ),
    "n does not divide": (
        {f"{METHODS}.1": {"name": "etsdm", "t_tilde": 100, "n": 7}},
        "n = 7 does not divide t_tilde = 100",
    ),
    "t_tilde beyond T": (
        {f"{METHODS}.1": {"name": "etsdm", "t_tilde": 1005, "n": 5}},
        "t_tilde = 1005 lies beyond the last of 1000 timesteps; allowed: 1 to 1000",
    ),
    "probe beyond T": (
        {"experiments.lipschitz.coarse_until": 1000},
        "t = 1000 lies outside the times of the linear schedule; allowed: 0 to 999",
    ),
    "probe below the least time": (
        {"diffusion.time": "continuous", "diffusion.tau_min": 0.05},
        "experiments.lipschitz: fine_step: the pair (0, 10) lies below the least time that is trained, tau_min T = 50; "
        "allowed: fine_step above 50",
    ),
    "probe up to the least time": (
        {"diffusion.time": "continuous", "diffusion.timesteps": 10_000},
        "the pair (0, 10) lies below the least time that is trained, tau_min T = 10; allowed: fine_step above 10",
    ),
    "probe below the least time at several sizes": (
        {
            "datasets.photos": {"source": "bundled", "bundle": "photos", "resolution": 8},
            "experiments.resolution": RESOLUTION | {"datasets": ["photos"]},
            "experiments.lipschitz": None,
            "diffusion.time": "continuous",
            "diffusion.tau_min": 0.05,
        },
        "experiments.resolution: fine_step: the pair (0, 10) lies below",
    ),
    "too few samples": (
        {"evaluation.samples": 64},
        "samples = 64 is too few: the Frechet distance needs at least 65",
    ),
    "odd resolution": ({"network.multipliers": [1] * 5}, "8 px cannot be halved 4 times"),
    "groups": ({"network.norm_groups": 3}, "norm_groups = 3 does not divide the 8 channels of a level"),
    "seed twice": ({"seeds": [1, 1]}, "seeds: 1 is given twice"),
    "budget twice": ({f"{SOLVERS}.0.nfe": [2, 2]}, "solvers[0].nfe: 2 is given twice"),
    "solver twice": ({f"{SOLVERS}.1": {"name": "ddim", "nfe": [2]}}, "solvers: ddim is given twice"),
    "encoder twice": ({"evaluation.encoders": ["inception"] * 2}, "evaluation.encoders: inception is given twice"),
    "flag for a number": ({"training.learning_rate": True}, "learning_rate: a number is needed, not True"),
    "moment rate": ({"training.betas": [0.9, 1.5]}, "training.betas[1]: input should be less than 1"),
    "heads": ({"network.heads": 3}, "heads = 3 does not divide the 8 channels of the last level"),
    "odd channels": ({"network.channels": 9, "network.norm_groups": 3}, "channels = 9 must be even"),
    "probe between steps": ({"experiments.lipschitz.fine_until": 95}, "fine_until = 95 must be two or more times"),
    "missing weights": (
        {"evaluation.encoders": [{"name": "inception", "weights": "no.pt"}], "evaluation.distances": ["kernel"]},
        "evaluation.encoders: no weights file 'no.pt'",
    ),
    "name with a shell in it": ({"name": "$(reboot)"}, "name: string should match pattern"),
    "unknown key of a data set": (
        {"datasets.photos": {"source": "bundled", "bundle": "photos", "reslution": 8}},
        "datasets.photos.reslution: unknown key; allowed: registered, source, bundle, split, resolution, channels; did",
    ),
    "bundle missing": ({"datasets.digits": {"source": "bundled"}}, "datasets.digits.bundle: missing"),
    "bundle at another size": (
        {"datasets.digits": {"source": "bundled", "bundle": "digits", "resolution": 16}},
        "datasets.digits.resolution: ",
    ),
    "unknown map": ({f"{METHODS}.0": {"name": "remap", "map": "sigmma"}}, "map: unknown 'sigmma'; allowed: sigma, log"),
    "left ends that fall": (
        {f"{METHODS}.1": {"name": "etsdm", "t_tilde": 100, "n": 3, "partition": [0, 50, 20]}},
        "the left ends must rise from 0",
    ),
    "left ends of another number": (
        {f"{METHODS}.1": {"name": "etsdm", "t_tilde": 100, "n": 3, "partition": [0, 50]}},
        "2 left ends, but n = 3",
    ),
    "two predictions at once": (
        {"diffusion.prediction": "v", f"{METHODS}.1": "score-weighted"},
        "experiments.fast-sampling: score-weighted learns the score, so it cannot predict v as well",
    ),
    "seeds that a replica would draw again": (
        {"seeds": [0, 1000], f"{METHODS}.1": "replica"},
        "replica adds 1000 times its number to each seed; seeds must be below 1000, not 1000",
    ),
    "no such replica": ({f"{METHODS}.1": {"name": "replica", "number": 0}}, "number: input should be greater than"),
    "evaluations between shared noise levels": (
        {f"{METHODS}.1": "shared-noise"},
        "dpm-solver-2 evaluates the network at noise levels inside its steps, which shared-noise does not have",
    ),
    "more steps than shared noise levels": (
        {SOLVERS: [{"name": "ancestral", "nfe": [906]}], f"{METHODS}.1": "shared-noise"},
        "nfe = 906 of ancestral is more than the noise levels that shared-noise-100-5 has; allowed: up to 905",
    ),
    "more steps than shared noise levels without denoising": (
        {SOLVERS: [{"name": "dpm-solver-1", "nfe": [905]}], f"{METHODS}.1": "shared-noise"},
        "allowed: up to 904",
    ),
    "times inside the steps of a multistep": (
        {f"{SOLVERS}.0": {"name": "dpm-solver++-2m", "nfe": [10], "inner_times": "grid"}},
        "inner_times: unknown key; allowed: name, nfe, grid, denoise, clip_x0, lambda_start, t_end, eps_scale, "
        "time_shift, lower_order_final",
    ),
    "unknown times inside a step": (
        {f"{SOLVERS}.0": {"name": "dpm-solver-2", "nfe": [10], "inner_times": "uniform"}},
        "inner_times: unknown 'uniform'; allowed: grid, log-snr",
    ),
    "ablation that does not divide": (
        {"experiments.ablation": ABLATION | {"n": [3]}},
        "experiments.ablation: n = 3 does not divide t_tilde = 100",
    ),
    "unknown key in one of several grids": (
        {"experiments.alternatives": [SAMPLED, SAMPLED | {"shedules": ["cosine"]}]},
        "experiments.alternatives[1].shedules: unknown key; allowed: datasets, schedules, times, predictions, ",
    ),
    "unknown solver in the only grid": (
        {"experiments.alternatives": SAMPLED | {"solvers": [{"name": "dimm", "nfe": [4]}]}},
        "experiments.alternatives.solvers[0].name: unknown 'dimm'",
    ),
    "no grid": ({"experiments.alternatives": []}, "experiments.alternatives: list should have at least 1 item"),
    "a stochastic solver's error": (
        {"experiments.solver-error": ERROR | {"solvers": [{"name": "ancestral", "nfe": [10]}]}},
        "ancestral draws noise at each step and so solves no ODE",
    ),
    "no ODE": ({"experiments.solver-error": ERROR | {"methods": ["shared-noise"]}}, "so there is no ODE to solve"),
    "size that the digits do not have": (
        {"experiments.resolution": RESOLUTION},
        "experiments.resolution: digits cannot be 16 px wide",
    ),
    "factor": (
        {"experiments.super-resolution": SUPER | {"factor": 3}},
        "experiments.super-resolution: factor = 3 does not divide the 8 px of digits",
    ),
    "unlike test images": (
        {
            "datasets.photos": {"source": "bundled", "bundle": "photos", "resolution": 8},
            "experiments.super-resolution": SUPER | {"test": "photos"},
        },
        "digits and photos differ in size or channels",
    ),
    "perturbation beyond T": (
        {"experiments.stability": {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "t": 1000}},
        "experiments.stability: t: t = 1000 lies outside the times of the linear schedule",
    ),
    "perturbation where the modified schedule is sampled no more": (
        {
            "experiments.stability": {
                "datasets": ["digits"],
                "methods": ["modified-schedule"],
                "images": 4,
                "t": 10,
            }
        },
        "experiments.stability: t: t = 10 lies outside the times of the linear schedule; allowed: 13.7207 to 999",
    ),
    "a start with too little noise": (
        {f"{SOLVERS}.0.lambda_start": -2.0},
        "solvers[0].lambda_start: input should be less than -3, not -2.0",
    ),
    "a start that the reference does not have": (
        {"experiments.solver-error": ERROR | {"solvers": [{"name": "ddim", "nfe": [4], "lambda_start": -5.1}]}},
        "lambda_start: the reference starts at t_max",
    ),
    "an early end that leaves noise": (
        {f"{SOLVERS}.1.t_end": 50},
        "t_end: x is noisy there, so the last evaluation must predict x_0; give denoise: true",
    ),
    "an end where sampling starts": (
        {f"{SOLVERS}.0.t_end": 999},
        "t_end = 999 of ddim must be below t = 999, where sampling starts",
    ),
    "an end before a late start": (
        {
            "diffusion.schedule": "cosine",
            f"{SOLVERS}.0": {"name": "ddim", "nfe": 4, "lambda_start": -5.1, "t_end": 996},
        },
        "t_end = 996 of ddim must be below t = 995.077, where sampling starts",
    ),
    "more evaluations than times above the end": (
        {f"{SOLVERS}.0": {"name": "ddim", "nfe": 951, "t_end": 50}},
        "nfe = 951 of ddim is more than the 950 timesteps that there are from t_end = 50 on; allowed: up to 950",
    ),
    "more evaluations than shared levels above the end": (
        {f"{METHODS}.1": "shared-noise", SOLVERS: [{"name": "ddim", "nfe": 904, "t_end": 50}]},
        "nfe = 904 of ddim is more than the noise levels that shared-noise-100-5 has; allowed: up to 903",
    ),
    "an end that the reference does not have": (
        {"experiments.solver-error": ERROR | {"solvers": [{"name": "ddim", "nfe": [4], "t_end": 50}]}},
        "t_end: the reference ends at t_stop",
    ),
    "noise that is divided by nothing": ({f"{SOLVERS}.0.eps_scale": 0}, "eps_scale.b: input should be greater than 0"),
    "a scale that falls with t": (
        {f"{SOLVERS}.0.eps_scale": {"k": -1e-5, "b": 1.0}},
        "eps_scale.k: input should be greater than or equal to 0",
    ),
    "a scale that the reference does not have": (
        {"experiments.solver-error": ERROR | {"solvers": [{"name": "ddim", "nfe": [4], "eps_scale": 1.01}]}},
        "eps_scale: the reference takes the network as it is",
    ),
    "a window that holds no time": (
        {f"{SOLVERS}.0.time_shift": {"window": 0, "cutoff": 300}},
        "time_shift.window: input should be greater than or equal to 1",
    ),
    "a shift without a cut-off": ({f"{SOLVERS}.0.time_shift": {"window": 10}}, "time_shift.cutoff"),
    "a shift that the reference does not have": (
        {
            "experiments.solver-error": ERROR
            | {"solvers": [{"name": "ddim", "nfe": [4], "time_shift": {"window": 10, "cutoff": 300}}]}
        },
        "time_shift: the reference takes the network as it is",
    ),
    "no time left to share": (
        {
            "experiments.lipschitz": None,
            "diffusion.time": "continuous",
            "diffusion.tau_min": 0.09,
            f"{METHODS}.1": {"name": "etsdm", "t_tilde": 50},
        },
        "t_tilde = 50 lies before the least time that is trained, tau_min T = 90",
    ),
    "snapshot beyond the end": (
        {"training.snapshots": {"images": [128, 300], "ema_half_lives": [128]}},
        "training: snapshots.images: 300 lies beyond the end of training, images = 256",
    ),
    "snapshot twice": (
        {"training.snapshots": {"images": [128], "ema_half_lives": [8, 8]}},
        "training.snapshots.ema_half_lives: 8 is given twice",
    ),
    "progress without snapshots": (
        {"experiments.progress": PROGRESS},
        "experiments.progress: there is nothing to measure without training.snapshots; give counts of images seen and "
        "half-lives, such as snapshots: {images: [128, 256], ema_half_lives: [128]}",
    ),
    "progress beyond T": (
        {
            "training.snapshots": {"images": [128], "ema_half_lives": [128]},
            "experiments.progress": PROGRESS | {"coarse_until": 1000},
        },
        "experiments.progress: coarse_until: t = 1000 lies outside the times of the linear schedule",
    ),
    "missing folder": (
        {"datasets.digits": {"source": "folder", "path": "nowhere", "resolution": 8}},
        "datasets.digits.path: no folder 'nowhere'",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_configuration_is_one_clear_message_and_exit_code_2(tmp_path, changes, message):
    file = write_config(tmp_path / "bad.yaml", **changes)
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.exit_code == 2
    assert message in done.output
    assert all(line.startswith("etsdm: error: ") for line in done.output.splitlines())
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "a configuration is a mapping of keys, not list"),
        ("", "a configuration is a mapping of keys, not NoneType"),
        ("name: a\nname: b", "the key 'name' is given twice"),
        ("a: " + "[" * 3000 + "]" * 3000, "not valid YAML: nested too deeply"),
        ("a: &a [" + "x," * 900 + "]\nb: &b [" + "*a," * 90 + "]\nc: [" + "*b," * 9 + "]", r"unfold to \S+ values"),
        ("a: &x [*x]", "an alias stands within what it repeats"),
        ("a: 1" + "0" * 5000, "a number of 5,001 characters"),
        ("a: 0400", "0400 is 256 in YAML: write 256, or what was meant, in decimals"),
        ("a: 4:16", "4:16 is 256 in YAML"),
        ("a: 1:30.5", "1:30.5 is 90.5 in YAML"),
        ("a: 2026-13-45", "'2026-13-45' is no timestamp: month must be in"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("__use_yte__: true", "refused: __use_yte__ lets Snakemake run Python"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load_config(file)


def test_a_message_is_short_however_much_is_wrong(tmp_path):
    """Long values are cut, many mistakes counted, and one that experiments share by an alias is told once."""
    with pytest.raises(UserError) as error:
        parse_config(tiny(**{"x" * 10**6: 1, "seeds": "9" * 10**6, **{f"key{i}": 1 for i in range(100)}}), "test")
    assert len(str(error.value)) < 5000
    assert str(error.value).endswith("test: and 82 more mistakes")
    solvers = [{"name": "dimm", "nfe": [4]}]
    changes = {f"experiments.{name}": SAMPLED | {"solvers": solvers} for name in ("comparison", "fast-sampling")}
    with pytest.raises(UserError) as error:
        parse_config(tiny(**changes), "test")
    (line,) = str(error.value).splitlines()
    assert line.startswith("test: experiments.comparison.solvers[0].name: unknown 'dimm'")
    assert line.endswith("the same in experiments.fast-sampling")


def test_the_schema_is_built_once_for_all_unknown_keys(monkeypatch):
    """It takes a quarter of a second."""
    built = []
    schema = TypeAdapter.json_schema
    monkeypatch.setattr(TypeAdapter, "json_schema", lambda adapter: built.append(1) or schema(adapter))
    with pytest.raises(UserError, match="key1: unknown key"):
        parse_config(tiny(key1=1, key2=2, key3=3), "test")
    assert built == [1]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")
