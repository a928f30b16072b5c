"""What a configuration allows: defaults, and every one that ships."""

import pytest
from blocks import ABLATION, DDIM, SOLVERS
from configs import tiny

from etsdm.errors import UserError
from etsdm.fingerprint import ROOT
from etsdm.plan.plan import Plan
from etsdm.plan.reading import load_config, parse_config

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
