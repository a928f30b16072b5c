"""What a plan holds: identities of runs, several grids, and snapshots."""

import json
import subprocess
import sys

import pytest
from blocks import METHODS, PROGRESS, SAMPLED, SOLVERS
from configs import tiny

from etsdm.fingerprint import ROOT
from etsdm.plan.plan import Plan, load_plan, make_plan
from etsdm.plan.reading import parse_config

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
        replica_plan = plan(seeds=[0, 1], **{f"{METHODS}.1": "replica", "experiments.lipschitz.methods": ["ddpm"]})
        seeds_of = {}
        for path, run in {**replica_plan.models, **replica_plan.samples}.items():
            model = run.needs.get("model", run)
            assert f"/seed{run.spec['seed']}" in path
            seeds_of.setdefault((model.spec["method"]["name"], model is run), set()).add(run.spec["seed"])
        assert seeds_of == {
            (name, trained): seeds
            for name, seeds in (("ddpm", {0, 1}), ("replica", {1000, 1001}))
            for trained in (True, False)
        }
        assert any("/replica-1-linear-" in path for path in replica_plan.models)

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

        default = plan(**{SOLVERS: [{"name": "ddim", "nfe": [2]}]}).samples.keys()
        first, second = map(sets, values)
        assert sets(None) == default
        assert not default & first and not default & second and not first & second

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
