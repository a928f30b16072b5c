"""Configurations that build on another one, read by `etsdm` and by Snakemake."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from configs import every, tiny, write_config
from snakemake.utils import update_config

from etsdm.cli import main
from etsdm.config.snakemake_config import given_to_snakemake
from etsdm.errors import UserError
from etsdm.plan.plan import load_plan, make_plan
from etsdm.plan.reading import load_config


def write(file: Path, **values: Any) -> Path:
    """A YAML file of these values."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(values))
    return file


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The tiny benchmark."""
    return write_config(tmp_path / "tiny.yaml")


def test_mappings_are_merged_and_lists_replaced(tmp_path, base):
    file = write(
        tmp_path / "mine.yaml",
        base="tiny.yaml",
        name="mine",
        seeds=[3],
        training={"batch": 8},
        experiments={"lipschitz": None, "fast-sampling": {"solvers": [{"name": "ddim", "nfe": [4]}]}},
    )
    changes = {
        "name": "mine",
        "seeds": [3],
        "training.batch": 8,
        "experiments.lipschitz": None,
        "experiments.fast-sampling.solvers": [{"name": "ddim", "nfe": [4]}],
    }
    assert load_plan(file).inventory() == make_plan(tiny(**changes), "test").inventory()


def test_a_base_is_relative_to_the_file_that_names_it_and_may_have_one_itself(tmp_path, base, monkeypatch):
    write(tmp_path / "more" / "slow.yaml", base="../tiny.yaml", training={"images": 512, "batch": 8})
    write(tmp_path / "mine.yaml", base="more/slow.yaml", name="mine", training={"batch": 16})
    monkeypatch.chdir(tmp_path / "more")
    training = load_config(Path("../mine.yaml")).training
    assert (training.images, training.batch, training.warmup) == (512, 16, 64)


def test_a_name_is_not_taken_over(tmp_path, base):
    """Else the report of the base would be replaced."""
    with pytest.raises(UserError, match=r"^\S+mine\.yaml: name: missing; it must be given$"):
        load_config(write(tmp_path / "mine.yaml", base="tiny.yaml"))


@pytest.mark.parametrize(
    "source", [{"source": "folder", "path": "x", "resolution": 8}, "cifar10", {"registered": "cifar10"}]
)
def test_a_data_set_from_elsewhere_takes_over_nothing(tmp_path, base, source):
    config = load_config(write(tmp_path / "mine.yaml", base="tiny.yaml", name="mine", datasets={"digits": source}))
    assert config.datasets["digits"].source == ("cifar10" if "cifar10" in str(source) else "folder")


def test_other_settings_of_the_same_data_set_are_merged(tmp_path):
    write_config(tmp_path / "tiny.yaml", **{"datasets.cats": "afhq-cat"})
    file = write(tmp_path / "mine.yaml", base="tiny.yaml", name="mine", datasets={"cats": {"resolution": 64}})
    cats = load_config(file).datasets["cats"]
    assert (cats.resolution, cats.path) == (64, "data/afhq/train/cat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: none.yaml", r"mine\.yaml: base: no file '\S+none\.yaml'; the path is relative to this one"),
        ("base: [a.yaml]", r"mine\.yaml: base: the path of one file is needed, relative to this one, not \['a.yaml'\]"),
        ("base: ''", "the path of one file is needed"),
        ("base: mine.yaml", r"base: a circle: \S+mine\.yaml -> \S+mine\.yaml"),
        ("base: circle.yaml", r"circle\.yaml: base: a circle: \S+mine\.yaml -> \S+circle\.yaml -> \S+mine\.yaml"),
        ("base: list.yaml", r"list\.yaml: a configuration is a mapping of keys, not list"),
        ("base: yte.yaml", r"yte\.yaml: refused: __use_yte__ lets Snakemake run Python"),
        ("base: twice.yaml", r"twice\.yaml: not valid YAML: the key 'a' is given twice"),
    ],
)
def test_a_wrong_base_is_one_message(tmp_path, text, message):
    for name, content in {
        "mine": text,
        "circle": "base: mine.yaml",
        "list": "[1]",
        "yte": "__use_yte__: true",
        "twice": "a: 1\na: 2",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    with pytest.raises(UserError, match=message):
        load_config(tmp_path / "mine.yaml")


def test_a_message_names_the_file_with_the_mistake(tmp_path):
    write_config(tmp_path / "tiny.yaml", **{"training.batch": 0, "evaluation.samples": "many"})
    write(tmp_path / "middle.yaml", base="tiny.yaml", network={"chanels": 8}, seeds=[1, 1])
    file = write(
        tmp_path / "mine.yaml", base="middle.yaml", name="mine", evaluation={"samples": 1}, training={"bach": 1}
    )
    with pytest.raises(UserError) as error:
        load_config(file)
    files = {line.split(": ")[1]: Path(line.split(": ")[0]).name for line in str(error.value).splitlines()}
    assert files == {
        "seeds": "middle.yaml",
        "network.chanels": "middle.yaml",
        "training.batch": "tiny.yaml",
        "training.bach": "mine.yaml",
        "evaluation.samples": "mine.yaml",
    }


def test_values_without_a_file_have_no_base():
    with pytest.raises(UserError, match="test: base: a file is needed"):
        make_plan(tiny(base="x.yaml"), "test")


def test_what_check_shows_is_the_same_benchmark(tmp_path):
    (tmp_path / "every.yaml").write_text(yaml.safe_dump(every()))
    file = write(tmp_path / "mine.yaml", base="every.yaml", name="mine", seeds=[4])
    done = CliRunner().invoke(main, ["check", "--show", str(file)])
    assert done.exit_code == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(done.stdout)
    assert "base" not in yaml.safe_load(done.stdout)
    assert load_plan(shown).inventory() == load_plan(file).inventory()


def workflow_config(*files: Path, options: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What a workflow makes of files, of `--config`, and of what a Snakefile changes then."""
    config: dict[str, Any] = {}
    for file in files:
        update_config(config, yaml.safe_load(file.read_text()))
    update_config(config, copy.deepcopy(options or {}))
    update_config(config, changes)
    return given_to_snakemake(config, files, options or {})


class TestSnakemake:
    def test_files_are_merged_each_with_what_it_builds_on(self, tmp_path, base):
        one = write(tmp_path / "one.yaml", base="tiny.yaml", name="one", seeds=[1], training={"batch": 8})
        write(tmp_path / "gpu.yaml", name="gpu", training={"precision": "bfloat16", "warmup": 3})
        two = write(tmp_path / "two.yaml", base="gpu.yaml", training={"warmup": 2})
        training = {"training.batch": 8, "training.precision": "bfloat16", "training.warmup": 2}
        assert workflow_config(one, two) == tiny(name="one", seeds=[1], **training)

    def test_config_and_snakefiles_come_last(self, tmp_path, base):
        file = write(tmp_path / "mine.yaml", base="tiny.yaml", name="mine", training={"batch": 8})
        options = {"training": {"batch": "16", "images": "64"}, "seeds": ["0", "1"]}
        values = workflow_config(file, options=options, training={"images": 32})
        changes = {"training.batch": 16, "training.images": 32, "seeds": [0, 1]}
        assert values == tiny(name="mine", **changes)

    def test_numbers_given_as_text_are_numbers_and_those_of_a_file_stay_what_they_are(self, tmp_path):
        file = write(tmp_path / "one.yaml", name="a", training={"path": "7", "more": ["8"]})
        values = workflow_config(file, options={"seeds": ["0", "x"], "name": "1e3", "training": {"images": "6"}})
        training = {"path": "7", "more": ["8"], "images": 6}
        assert values == {"name": "1e3", "training": training, "seeds": [0, "x"]}

    def test_a_data_set_from_elsewhere_is_given_whole(self, base):
        source = {"source": "folder", "path": "x", "resolution": 8, "channels": 1}
        values = workflow_config(base, options={"datasets": {"digits": source}})
        assert values["datasets"] == {"digits": source}

    def test_a_file_is_refused_as_everywhere(self, tmp_path, base):
        file = tmp_path / "two.yaml"
        file.write_text("name: b\nname: c")
        with pytest.raises(UserError, match=r"two\.yaml.*given twice"):
            given_to_snakemake({}, [base, file], {})
