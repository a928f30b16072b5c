"""config/schema.json and the reference of keys: in step with the models, complete, and of use to readers."""

import json
import re

import pytest
import yaml
from configs import every, tiny
from jsonschema import Draft202012Validator

from etsdm.diffusion.methods import METHODS
from etsdm.experiments import EXPERIMENTS
from etsdm.fingerprint import ROOT
from etsdm.plan.reference import key_reference, readme_with_reference
from etsdm.plan.schema import json_schema
from etsdm.solvers import SOLVERS

SHIPPED = [*sorted((ROOT / "config").glob("*.yaml")), ROOT / ".test" / "config" / "config.yaml"]


def mistakes(values):
    return [error.message for error in Draft202012Validator(json_schema()).iter_errors(values)]


def test_both_are_those_of_the_models():
    folder = ROOT / "config"
    readme = (folder / "README.md").read_text()
    assert json.loads((folder / "schema.json").read_text()) == json_schema(), "run `etsdm schema`"
    assert readme == readme_with_reference(readme), "run `etsdm schema`"


def test_every_number_has_a_largest_value():
    """Beyond which arithmetic breaks, or a plan takes minutes."""

    def endless(node):
        if isinstance(node, dict) and node.get("type") == "integer" and not {"const", "enum"} & node.keys():
            yield from [] if {"maximum", "exclusiveMaximum"} & node.keys() else [node]
        for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from endless(part)

    assert not list(endless(json_schema()))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_an_editor_accepts_what_ships(file):
    assert not mistakes(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    "values",
    [
        every(),
        tiny(network="small", training={"preset": "small", "batch": 8}),
        tiny(experiments={"defaults": {"methods": ["ddpm"]}, "lipschitz": {"images": 8}, "alternatives": [{}]}),
        {"base": "digits.yaml", "name": "more", "experiments": {"lipschitz": None}},
        tiny(datasets={"a": "afhq-cat", "b": {"registered": "afhq-cat", "resolution": 64}}),
    ],
)
def test_an_editor_accepts_short_forms(values):
    assert not mistakes(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "smal"},
        {"training.bacth": 8},
        {"experiments.lipschitz.methods": ["ddmp"]},
        {"experiments.lipschitz.methods": [{"t_tilde": 100}]},
        {"experiments.fast-sampling.solvers": ["ddim"]},
        {"datasets": {"cats": "afhq-cats"}},
        {"experiments.lipshitz": {}},
    ],
)
def test_an_editor_marks_mistakes(changes):
    assert mistakes(tiny(**changes))


def test_types_that_repeat_are_written_once():
    text = json.dumps(json_schema())
    assert text.count('"#/$defs/Regularization"') == 1 and text.count('"#/$defs/Singlestep"') == 1
    assert text.count('"cosine-shift"') <= 3


def test_the_reference_names_every_key_and_has_no_empty_cell():
    reference = key_reference()
    assert not re.search(r"\| *\|", reference)
    for thing in {*METHODS.all().values(), *SOLVERS.all().values(), *EXPERIMENTS.all().values()}:
        assert all(
            f"\n| `{field.alias or key}` | " in reference for key, field in thing.model_fields.items() if key != "name"
        )
    for name in (*METHODS.names(), *SOLVERS.names(), *EXPERIMENTS.names()):
        assert re.search(rf"^#### .*`{re.escape(name)}`", reference, re.MULTILINE)


def test_every_link_of_the_reference_leads_to_a_section():
    reference = key_reference()
    places = {re.sub(r"[^\w -]", "", heading).lower() for heading in re.findall(r"^#+ (.+)$", reference, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", reference))
    assert links and links <= places


def test_what_several_have_is_explained_once():
    reference = key_reference()
    for key in ("grid", "lambda_start", "fine_until", "coarse_step", "registered"):
        assert reference.count(f"\n| `{key}` | ") == 1


def test_types_of_one_name_are_one_type():
    """A type that several keys share is named after its key."""
    schema = json_schema()
    assert schema["$defs"]["schedules"]["type"] == "array"
    assert {"$ref": "#/$defs/schedules"} in schema["$defs"]["schedules-or-null"]["anyOf"]
