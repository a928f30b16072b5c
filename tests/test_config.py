"""What a configuration allows, and the one clear message for each thing it does not."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from configs import tiny, write_config

from etsdm.cli import main
from etsdm.errors import UserError
from etsdm.fingerprint import ROOT
from etsdm.plan.plan import Plan, load_plan, make_plan
from etsdm.plan.reading import load_config, parse_config

SOLVERS = "experiments.fast-sampling.solvers"
METHODS = "experiments.fast-sampling.methods"

DDIM = [{"name": "ddim", "nfe": [4]}]
SAMPLED = {"datasets": ["digits"], "methods": ["ddpm"], "solvers": DDIM}
ABLATION = {"datasets": ["digits"], "t_tilde": [100], "n": [5], "solvers": DDIM}
ERROR = {"datasets": ["digits"], "methods": ["ddpm"], "images": 4, "solvers": DDIM}
RESOLUTION = {"datasets": ["digits"], "resolutions": [8, 16], "methods": ["ddpm"], "solvers": DDIM, "images": 4}
SAMPLE_SETS = [
    "ancestral-nfe50-uniform-57c0ebf6",
    "ddim-nfe10-uniform-f5afbaf7",
    "ddim-nfe20-uniform-5e925e84",
    "ddim-nfe50-uniform-ce1586f1",
    "dpm-solver-1-nfe20-log-snr-48f420f1",
    "dpm-solver-2-nfe20-log-snr-741a29c9",
    "dpm-solver-3-nfe20-log-snr-e9a9d7fd",
    "dpm-solver-3-nfe50-log-snr-063dc9c5",
    "dpm-solverpp-2m-nfe10-log-snr-376b2e4c",
    "dpm-solverpp-2m-nfe20-log-snr-8fff77b9",
    "dpm-solverpp-3m-nfe20-log-snr-589dbe62",
]
PROGRESS = {"datasets": ["digits"], "methods": ["ddpm"], "solvers": DDIM, "images": 4}
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


DEFAULTS = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"], "solvers": DDIM}


class TestDefaults:
    def test_an_experiment_takes_what_it_has_and_does_not_give(self):
        short = {
            "defaults": DEFAULTS,
            "fast-sampling": {},
            "lipschitz": {"images": 8},
            "ablation": {"t_tilde": [100], "n": [5]},
            "alternatives": [{"methods": ["ddpm", "remap"]}, {"schedules": ["cosine"]}],
            "stability": None,
            "theory": {"schedules": ["linear"], "times": ["discrete"]},
        }
        both = {"datasets": ["digits"], "methods": ["ddpm", "etsdm"]}
        whole = {
            "fast-sampling": DEFAULTS,
            "lipschitz": both | {"images": 8},
            "ablation": ABLATION,
            "alternatives": [DEFAULTS | {"methods": ["ddpm", "remap"]}, DEFAULTS | {"schedules": ["cosine"]}],
            "theory": short["theory"],
        }
        assert plan(experiments=short).inventory() == plan(experiments=whole).inventory()
        assert "defaults" not in plan(experiments=short).settings()["experiments"]

    @pytest.mark.parametrize(
        ("experiments", "message"),
        [
            (
                {"defaults": {"method": ["ddpm"]}, "lipschitz": {}},
                "experiments.defaults.method: unknown key; allowed: datasets, methods, solvers; did you mean 'methods'",
            ),
            (
                {"defaults": DEFAULTS | {"methods": ["ddmp"]}, "fast-sampling": {}, "ablation": {}},
                "experiments.defaults.methods[0].name: unknown 'ddmp'; allowed: ddpm",
            ),
            ({"defaults": 3, "fast-sampling": {}}, "experiments.defaults: input should be a valid dictionary"),
            (
                {"defaults": {"datasets": ["digits"]}, "lipschitz": {"images": 8}},
                "experiments.lipschitz.methods: missing; it must be given, here or in experiments.defaults",
            ),
        ],
    )
    def test_what_is_wrong_with_them_is_one_message(self, experiments, message):
        with pytest.raises(UserError) as error:
            plan(experiments=experiments)
        (line,) = str(error.value).splitlines()
        assert line.startswith(f"test: {message}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_continuous_time_has_as_many_times_as_a_solver_asks_for():
    changes = {f"{SOLVERS}.0.nfe": [1000, 1001], f"{SOLVERS}.1.nfe": [1000]}
    parse_config(tiny(**changes, **{"diffusion.time": "continuous"}), "test")
    parse_config(tiny(**changes | {f"{SOLVERS}.0.nfe": [1000]}), "test")


def test_every_configuration_that_ships_is_valid():
    for file in (ROOT / "config").glob("*.yaml"):
        load_config(file)


def test_numbers_in_scientific_notation_are_numbers():
    """YAML 1.1 reads 1e-3 as text."""
    config = parse_config(tiny(**{"training.learning_rate": "1e-3"}), "test")
    assert config.training.learning_rate == 1e-3


def plan(**changes):
    return Plan(parse_config(tiny(**changes), "test"))


class TestIdentity:
    def test_equal_specifications_share_a_folder_whatever_asked_for_them(self):
        assert plan().models.keys() == plan(name="other", **{"evaluation.samples": 80}).models.keys()

    def test_experiments_share_trainings(self):
        users = {m.model.path: set() for m in plan().measurements}
        for m in plan().measurements:
            users[m.model.path].add(m.experiment)
        assert list(users.values()) == [{"fast-sampling", "lipschitz"}] * 2

    def test_a_hyper_parameter_moves_the_models_and_leaves_the_data(self):
        other = plan(**{"training.learning_rate": 2e-3})
        assert not other.models.keys() & plan().models.keys()
        assert other.data.keys() == plan().data.keys()
        assert other.encoders.keys() == plan().encoders.keys()

    def test_a_seed_adds_models_and_moves_none(self):
        assert plan().models.keys() < plan(seeds=[0, 1]).models.keys()

    def test_a_replica_trains_and_samples_with_seeds_of_its_own(self):
        made = plan(seeds=[0, 1], **{f"{METHODS}.1": "replica", "experiments.lipschitz.methods": ["ddpm"]})
        found = {}
        for path, run in {**made.models, **made.samples}.items():
            model = run.needs.get("model", run)
            assert f"/seed{run.spec['seed']}" in path
            found.setdefault((model.spec["method"]["name"], model is run), set()).add(run.spec["seed"])
        assert found == {
            (name, trained): seeds
            for name, seeds in (("ddpm", {0, 1}), ("replica", {1000, 1001}))
            for trained in (True, False)
        }
        assert any("/replica-1-linear-" in path for path in made.models)

    def test_a_solver_adds_sample_sets_and_moves_none(self):
        more = plan(**{f"{SOLVERS}.1.nfe": [2, 3]})
        assert plan().samples.keys() < more.samples.keys()
        assert plan().models.keys() == more.models.keys()

    def test_the_times_inside_a_step_are_part_of_a_sample_set(self):
        def sets(**settings):
            return plan(**{SOLVERS: [{"name": "dpm-solver-2", "nfe": [2]} | settings]}).samples

        assert sets().keys() == sets(inner_times="grid").keys()
        assert not sets().keys() & sets(inner_times="log-snr").keys()
        assert {run.spec["solver"]["inner_times"] for run in sets(inner_times="log-snr").values()} == {"log-snr"}

    def test_a_start_is_part_of_a_sample_set_that_has_one(self):
        def sets(**settings):
            return plan(**{SOLVERS: [{"name": "dpm-solver-2", "nfe": [2]} | settings]}).samples

        assert sets().keys() == sets(lambda_start=None).keys()
        assert not sets().keys() & sets(lambda_start=-5.1).keys()
        assert all("lambda_start" not in run.spec["solver"] for run in sets().values())

    def test_options_that_are_off_move_no_sample_set(self):
        """Every sample set of seed 0 in config/digits.yaml is where it was before solvers had these options."""
        demo = load_plan(ROOT / "config" / "digits.yaml", look=False)
        folders = [path.rsplit("/", 1)[1] for path in demo.samples if "/ddpm-linear-" in path and "/seed0/" in path]
        assert folders == SAMPLE_SETS

    @pytest.mark.parametrize(
        ("option", "values"),
        [
            ("t_end", (0, 50)),
            ("eps_scale", (1.01, {"k": 1e-5, "b": 1.01})),
            ("time_shift", ({"window": 10, "cutoff": 300}, {"window": 20, "cutoff": 300})),
        ],
    )
    def test_an_option_is_part_of_a_sample_set_that_has_it(self, option, values):
        def sets(value):
            return plan(**{SOLVERS: [{"name": "ddim", "nfe": [2], option: value}]}).samples.keys()

        plain = plan(**{SOLVERS: [{"name": "ddim", "nfe": [2]}]}).samples.keys()
        first, second = map(sets, values)
        assert sets(None) == plain
        assert not plain & first and not plain & second and not first & second

    def test_a_scale_alone_is_a_line_that_does_not_rise(self):
        alone, line = (
            plan(**{SOLVERS: [{"name": "ddim", "nfe": [2], "eps_scale": scale}]}).samples
            for scale in (1.01, {"k": 0, "b": 1.01})
        )
        assert alone.keys() == line.keys()
        assert {run.spec["solver"]["eps_scale"]["b"] for run in alone.values()} == {1.01}

    def test_where_images_come_from_is_no_part_of_any_path(self):
        def paths(**changes):
            source = {"source": "folder", "path": "a", "resolution": 8, "channels": 1} | changes
            runs = plan(**{"datasets.digits": source}).runs().values()
            return {path for stage in runs for path in stage}

        assert paths() == paths(path="b") == paths(source="zip", path="c.zip", folder="images")
        unlike = [paths(channels=3), paths(resize="lanczos"), paths(skip_damaged=1), paths(resolution=16)]
        assert all(not paths() & other for other in unlike)

    def test_settings_give_the_plan_again(self):
        settings = json.loads(json.dumps(plan().settings()))
        assert make_plan(settings, "test").inventory() == plan().inventory()


def test_several_grids_are_one_experiment_in_which_a_measurement_counts_once() -> None:
    def measured(alternatives: object) -> set[tuple[str, str]]:
        plan = Plan(parse_config(tiny(experiments={"alternatives": alternatives}), "test"))
        models = dict.fromkeys(
            (m.model.spec["diffusion"]["schedule"], m.model.spec["method"]["name"]) for m in plan.measurements
        )
        assert len(models) == len(plan.measurements) == len(plan.models)
        return set(models)

    both = SAMPLED | {"methods": ["ddpm", "etsdm"]}
    cosine = SAMPLED | {"methods": ["ddpm", "modified-schedule"], "schedules": ["linear", "cosine"]}
    assert measured([both]) == measured(both) == {("linear", "ddpm"), ("linear", "etsdm")}
    assert measured([both, cosine]) == {
        *(("linear", method) for method in ("ddpm", "etsdm", "modified-schedule")),
        *(("cosine", method) for method in ("ddpm", "modified-schedule")),
    }


KEPT = {"training.snapshots": {"images": [256, 64], "ema_half_lives": [128, 8]}}


class TestSnapshots:
    def test_without_them_a_model_is_the_one_that_it_was(self):
        assert plan(**{"training.snapshots": None}).models.keys() == plan().models.keys()
        assert not any("snapshots" in run.spec["training"] for run in plan().models.values())
        assert not plan(**KEPT).models.keys() & plan().models.keys()

    def test_an_experiment_that_measures_them_moves_no_model(self):
        more = plan(**KEPT, **{"experiments.progress": PROGRESS})
        assert plan(**KEPT).models.keys() == more.models.keys()
        assert plan(**KEPT).samples.keys() < more.samples.keys()

    def test_each_is_a_model_below_its_training_and_the_last_is_the_training_itself(self):
        progress = plan(**KEPT, experiments={"progress": PROGRESS})
        (model,) = progress.models.values()
        below = [(64, 128), (64, 8), (256, 8)]
        assert list(progress.snapshots) == [f"{model.path}/snapshots/{n}-ema{life}" for n, life in below]
        for run, (images, half_life) in zip(progress.snapshots.values(), below, strict=True):
            assert run.spec == model.spec | {"snapshot": {"images": images, "ema_half_life": half_life}}
            assert run.needs == {"data": model.needs["data"], "training": model}
        measured = [(m.kind, m.model.path, m.training.path) for m in progress.measurements]
        networks = [*progress.snapshots, model.path]
        assert sorted(measured) == sorted(
            (kind, path, model.path) for path in networks for kind in ("distance", "lipschitz")
        )
        places = {path.rpartition("/")[0] for path in progress.samples}
        assert places == {path.replace("models/", "samples/", 1) for path in networks}


def test_planning_imports_neither_torch_nor_pillow():
    """It runs at each start of Snakemake, and in each of its jobs on a cluster."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom etsdm.plan.plan import load_plan\n"
        f"load_plan(Path({str(ROOT / 'config' / 'digits-full.yaml')!r}), look=False)\n"
        "print({'torch', 'PIL'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
