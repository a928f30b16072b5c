# The plan of this configuration, and what the rules look up in it.
import shutil
import sys
from pathlib import Path

from etsdm import solvers
from etsdm.benchmark.plan import make_plan
from etsdm.benchmark.source import digest
from etsdm.data.sources import fingerprint
from etsdm.errors import UserError
from etsdm.report.contents import figure_names, table_names

RESULTS = Path("results")
# Where there is a GPU, the profile says how many jobs may use it at a time.
GPU = int(shutil.which("nvidia-smi") is not None)
ENVIRONMENT = workflow.source_path("../../environment.yml")

try:
    plan = make_plan(config, ", ".join(map(str, workflow.configfiles)))
except UserError as error:
    for line in str(error).splitlines():
        print(f"etsdm: error: {line}", file=sys.stderr)
    sys.exit(2)

plan.write_specs(RESULTS)
SCORED, REFERENCES = plan.scored, plan.references

REPORT = f"results/{plan.report}"
FIGURES = [f"{REPORT}/figures/{name}.{kind}" for name in figure_names(plan.inventory()) for kind in ("png", "svg")]
TABLES = [f"{REPORT}/tables/{name}.{kind}" for name in table_names(plan.inventory()) for kind in ("csv", "md", "tex")]


wildcard_constraints:
    data=r"[^/]+",
    encoder=r"[^/]+",


def depends(stage, module=None, **settings):
    """The code and the settings that a result depends on besides its input files.

    One dictionary a rule, because Snakemake compares a rule's parameters as a set without keys.
    """
    return {"code": digest(stage, module)} | settings


def measurement_of(wildcards):
    """The measurement whose features and scores a rule makes."""
    return SCORED[f"samples/{wildcards.sample}/{wildcards.encoder}/scores.json"]


def reference_of(wildcards):
    """The encoder of a data set's reference features."""
    return REFERENCES[f"data/{wildcards.data}/{wildcards.encoder}"]


def encoder_file(encoder):
    """The weights of a feature extractor."""
    name = {
        "inception": "inception-2015-12-05.pt",
        "classifier": "weights.safetensors",
    }[encoder.spec["name"]]
    return f"results/{encoder.path}/{name}"


def data_of(model):
    """Folder of the data set that a model is trained on."""
    return f"results/{plan.models[f'models/{model}'].needs['data'].path}"


def encoder_module(name):
    """The module that makes the named feature extractor."""
    return f"etsdm.metrics.{name}"


def solver_of(sample):
    """Name of the solver that a sample set is drawn by."""
    return plan.samples[f"samples/{sample}"].spec["solver"]["name"]


def model_of(sample):
    """Folder of the model that a sample set is drawn from."""
    return f"results/{plan.samples[f'samples/{sample}'].needs['model'].path}"


# Asked for by name, because Snakemake does not miss an intermediate file whose report is there already: a result that
# a failed job has taken away would not be made again.
RESULT_FILES = [
    *(f"results/{path}/dataset.json" for path in plan.data),
    *(encoder_file(encoder) for encoder in plan.encoders.values()),
    *(f"results/{path}/weights.safetensors" for path in plan.models),
    *(f"results/{path}/samples.zip" for path in plan.samples),
    *(f"results/{reference}/features.npz" for reference in REFERENCES),
    *(f"results/{file.removesuffix('scores.json')}features.npz" for file in SCORED),
    *(f"results/{measurement.file}" for measurement in plan.measurements),
]
