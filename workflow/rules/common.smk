# The plan of this configuration, and what the rules look up in it.
import atexit
import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from etsdm.plan import tidy
from etsdm.runtime import forkserver, gpus, intact, other_workflows, slurm
from etsdm.plan.plan import make_plan
from etsdm.plan.runs import identity
from etsdm.plan.stages import loaded, torch_of
from etsdm.config.bases import layers_of, resolved
from etsdm.config.snakemake_config import given_to_snakemake
from etsdm.data import prepared
from etsdm.errors import UserError
from etsdm.fingerprint import ROOT, Planned
from etsdm.metrics import score as scoring
from etsdm.metrics.encoders import ENCODERS
from etsdm.metrics.names import metric_name
from etsdm.report.contents import figure as figure_of, figure_files, shows_samples, table_files
from etsdm.runtime.retries import Retries

# The job in which Snakemake itself runs, if any, before the plug-in for SLURM hides it.
DRIVER = os.environ.get("SLURM_JOB_ID")

# Where there are GPUs, the profile says how many. A profile for a cluster says which rules use one: the machine that
# reads this may have none.
GPU = int(gpus.are_likely())
# How many jobs share a GPU, if the profile says it. Jobs on this machine have the environment of this process.
if "jobs_per_gpu" in workflow.global_resources:
    os.environ[gpus.JOBS_PER_GPU] = str(workflow.global_resources["jobs_per_gpu"].value)
# For --sdm conda; the file says why it needs to know the folder of the project.
ENVIRONMENT = workflow.source_path("../envs/etsdm.yaml")
os.environ.update(ETSDM_ROOT=str(ROOT))

# As a module of another workflow: where its `prefix` puts the results, and whose configuration counts.
RESULTS = Path(workflow.modifier.path_modifier.replace_prefix("results/"))
IS_MODULE = workflow.modifier.namespace is not None

CONFIG = f"config of {workflow.modifier.namespace}" if IS_MODULE else ", ".join(map(str, workflow.configfiles))
if len(workflow.configfiles) > 1 and not IS_MODULE:
    print(f"etsdm: merged: {CONFIG}; where they differ, the last one counts", file=sys.stderr)


def attempt_of(wildcards, attempt):
    """Number of the attempt at a job."""
    return attempt


# Every job is told its attempt: where the one before failed in a way that another would, too, it fails at once.
JOB = {"attempt": attempt_of}
# The time limit that the profile gives to all jobs stands; a rule's own would beat it. 0: none.
TIME_LIMIT = {} if "runtime" in (workflow.resource_settings.default_resources or {}) else {"runtime": 0}
# A long job is told its time limit in minutes, before which it saves what it has and leaves, to go on in its next
# attempt; and how many processes on how many nodes are to share the work.
LONG_JOB = JOB | TIME_LIMIT | {"nodes": 1, "processes": 1}


@contextmanager
def mistakes_explained():
    """Whatever the user can correct is a message, and the end."""
    try:
        yield
    except UserError as error:
        for line in str(error).splitlines():
            print(f"etsdm: error: {line}", file=sys.stderr)
        sys.exit(2)


with mistakes_explained():
    gpus.jobs_per_gpu()
    if IS_MODULE:
        values = resolved(layers_of(config, Path(CONFIG)))
    else:
        values = given_to_snakemake(config, workflow.configfiles, workflow.config_settings.config)
    plan = make_plan(values, CONFIG, look=False)

# What captions of `snakemake --report` quote.
config = plan.settings()


# How a job begins: with its attempt, the plug-ins of the configuration, and the code that it must run.
PLUGINS = (
    "".join(f" --plugin {shlex.quote(file)}" for file in plan.config.plugins).replace("{", "{{").replace("}", "}}")
)
ETSDM = f"etsdm --attempt {{resources.attempt}}{PLUGINS} --code {{params.depends[code]:q}}"
LONG_ETSDM = f"{ETSDM} --minutes {{resources.runtime}}"


# A dry run needs no data and stops at no damage; jobs do. Nor does `etsdm adopt`, which takes over what is not damaged.
onstart:
    if DAMAGE and not workflow.touch:
        sys.exit(2)
    with mistakes_explained():
        plan.check_files(CONFIG, RESULTS)
        files = workflow.persistence
        other_workflows.enter(RESULTS, map(str, files.all_inputfiles()), map(str, files.all_outputfiles()), DRIVER)
    if begun := os.environ.get("ETSDM_BEGUN"):  # by which the Makefile knows a failure of jobs from one before them
        Path(begun).write_text("jobs have begun\n")
    # Snakemake 9.27 starts a timer for each job that ends, and every timer wakes the scheduler once a second for ever:
    # after some hundred jobs it keeps a core busy. Without its limit of 100 new jobs a second there are no timers. One for
    # a longer time, which somebody has set, stays.
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is None or limit.timespan <= 1:
        workflow.scheduler.job_rate_limiter = limit = None
    asked = workflow.resource_settings
    if hasattr(workflow.executor_settings, "status_command"):
        with mistakes_explained():
            settings = workflow.executor_settings
            slurm.check_states(settings.status_command, settings.init_seconds_before_status_checks)
            most = min(asked.nodes or 1, limit.max_jobs if limit else float("inf"))
            slurm.check_arrays(settings.array_jobs, most, sum(1 for _ in workflow.dag.needrun_jobs()))
    if not workflow.local_exec:
        slurm.warn_of_two_profiles(asked.nodes, asked.cores)
        if not GPU:
            rules = asked.overwrite_resources.values()
            slurm.warn_without_gpus(
                [*(asked.default_resources or ()), *(name for names in rules for name in names)]
            )
        workflow.scheduler.error_callback = Retries(workflow.scheduler.error_callback).failed
    # Jobs on this machine start at once, as forks of a process that has PyTorch loaded; those on others, or in
    # environments of their own, cannot.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        forkserver.start()
        # Jobs that miss a GPU say so in their logs; this says it once to the user, while the first jobs start.
        if GPU:
            subprocess.Popen([sys.executable, "-P", "-c", "from etsdm.runtime import devices; devices.warn()"])


onsuccess:
    tidy.tidy(RESULTS, plan, done=True)


onerror:
    tidy.tidy(RESULTS, plan, done=False)


# Decoded images are no output: they go when Snakemake ends and their archive is gone (--delete-all-output).
if not (workflow.remote_exec or workflow.subprocess_exec):
    atexit.register(tidy.drop_orphans, RESULTS, list(plan.data))


SCORED, REFERENCES = plan.measured("distance"), plan.references

DISTANCE_OPTIONS = " ".join(f"--distance {name}" for name in plan.config.evaluation.distances)

REPORT = f"results/{plan.report}"
INVENTORY = plan.inventory()
FIGURES = [str(file) for file in figure_files(Path(REPORT), INVENTORY)]
TABLES = [str(file) for file in table_files(Path(REPORT), INVENTORY)]
KEEPS_SAMPLES = plan.config.keep.samples == "all"


def entry(file, category, caption, shown):
    """A file of the report, as an entry of Snakemake's own if it is of the kind that is `shown` there."""
    path = Path(file)
    labels = {"name": path.stem}
    return report(file, category=category, caption=caption, labels=labels) if path.suffix == shown else file


SETS = dict.fromkeys(m.run.path for m in plan.measurements if m.encoder and shows_samples(m.experiment))
SAMPLES_SHOWN = (
    [f"{path}/samples.zip" for path in SETS]
    if KEEPS_SAMPLES
    else [f"{path}/shown.zip" for path in sorted(plan.shown())]
)
SHOWN = [
    *(f"results/{path}" for path in SAMPLES_SHOWN),
    *(f"results/{path}/{name}.zip" for path in plan.restorations for name in ("inputs", "restored")),
]


def shown_in(wildcards):
    """The images that a figure shows, if it is a picture."""
    return SHOWN if figure_of(INVENTORY, wildcards.figure)[1].picture else []


def section_title(wildcards):
    """Heading of the section that a figure belongs to."""
    return figure_of(INVENTORY, wildcards.figure)[0].title


def figure_labels(wildcards):
    """How a figure is called in Snakemake's own report."""
    return {"name": figure_of(INVENTORY, wildcards.figure)[1].title}


def caption_in(manifest):
    """The caption that was noted for a figure, for Snakemake's own report; signs of reStructuredText are escaped."""
    note = intact.read_manifest(Path(manifest))
    return re.sub(r"([\\`*_|])", r"\\\1", note["result"]["caption"]) if note else ""


wildcard_constraints:
    data=r"[^/]+",
    encoder=r"[^/]+",
    figure=r"[^/]+",


CODES = Planned(workflow.is_main_process)


def depends(stage, *modules, **settings):
    """The code and the settings that a result depends on besides its input files.

    `modules` are those that the stage loads by name.

    One dictionary a rule, because Snakemake compares a rule's parameters as a set without keys.
    """
    return {"code": CODES.code(stage, *modules)} | torch_of(plan, stage) | settings


def does(stage, run, **settings):
    """The same for the job of a run, which is handed its specification and writes it down."""
    return depends(stage, *loaded(stage, run), spec=json.dumps(run.spec), **settings)


def flags(*names):
    """The options of a job without a value: each is given where the resource of its name is 1.

    No result is made again when they change: Snakemake does not compare parameters that follow from resources.
    """
    return lambda wildcards, resources: " ".join(f"--{name}" for name in names if resources[name])


@cache
def source_of(data):
    """What the images of a data set depend on: the code that reads its kind of source, and the source itself.

    Kept, because a large folder takes long to list.
    """
    run = plan.data[f"data/{data}"]
    folder = RESULTS / run.path
    needed = does("prepare", run, source=prepared.known_by(folder, run.spec))
    return needed | {"code": prepared.code(folder, run.spec) or needed["code"]}


def measurement_of(wildcards):
    """The measurement whose features and scores a rule makes."""
    return SCORED[f"samples/{wildcards.sample}/{wildcards.encoder}/scores.json"]


def reference_of(wildcards):
    """The encoder of a data set's reference features."""
    return REFERENCES[f"data/{wildcards.data}/{wildcards.encoder}"]


def encoder_file(encoder):
    """The weights of a feature extractor."""
    return f"results/{encoder.path}/{ENCODERS[encoder.spec['name']].file}"


def scores(encoder, **settings):
    """What distances between features of an encoder depend on."""
    name, distances = encoder.spec["name"], plan.config.evaluation.distances
    code = scoring.modules(name, distances)
    metrics = [metric_name(distance, name, plan.config.evaluation.samples) for distance in distances]
    return depends("score", *code, encoder=name, distances=DISTANCE_OPTIONS, metrics=metrics, **settings)


def has_long_features(encoder):
    """Whether the features of an encoder are long enough that several threads compare them sooner than one."""
    return ENCODERS[encoder.spec["name"]].length > 1000


def data_of(model):
    """Folder of the data set that a model is trained on."""
    return f"results/{model_run(model).needs['data'].path}"


def model_run(model):
    """The run that trains a model, or that makes one of a snapshot."""
    return plan.networks[f"models/{model}"]


def probe_of(wildcards):
    """The run that probes a model."""
    return plan.probes[f"probes/{wildcards.model}/{wildcards.probe}"]


def restoration_of(wildcards):
    """The run that restores images."""
    return plan.restorations[f"restorations/{wildcards.restoration}"]


def sample_of(wildcards):
    """The run that draws a sample set."""
    return plan.samples[f"samples/{wildcards.sample}"]


def weights_of(run):
    """The weights of the model that a run draws images from."""
    return f"results/{run.needs['model'].path}/weights.safetensors"


# Every result behind the report; rule all says why each is named.
RESULT_FILES = [
    *(f"results/{path}/{name}" for path in plan.data for name in ("images.digest", "dataset.json", "images.zip")),
    *(encoder_file(encoder) for encoder in plan.encoders.values()),
    *(f"results/{path}/weights.safetensors" for path in plan.networks),
    *(f"results/{path}/metrics.jsonl" for path in plan.models),
    *(f"results/{path}/samples.zip" for path in plan.samples if KEEPS_SAMPLES),
    *(f"results/{path}/restored.zip" for path in plan.restorations),
    *(f"results/{reference}/{name}.npz" for reference in REFERENCES for name in ("features", "reference")),
    *(f"results/{file.removesuffix('scores.json')}features.npz" for file in SCORED),
    *(f"results/{measurement.file}" for measurement in plan.measurements),
    *(f"results/{run.path}/manifest.json" for stage in plan.runs().values() for run in stage.values()),
    *(f"results/{reference}/{name}.manifest.json" for reference in REFERENCES for name in ("features", "reference")),
    *(f"results/{file.removesuffix('scores.json')}features.manifest.json" for file in SCORED),
    *(
        f"results/{measurement.file.removesuffix('.json')}.manifest.json"
        for measurement in plan.measurements
        if measurement.kind in ("distance", "restoration")
    ),
]

# Before Snakemake looks at the files: what was lost and kept is put back, so that nothing is made again for it.
DAMAGE = []
if workflow.is_main_process:
    DAMAGE = intact.before_a_workflow(
        (RESULTS / run.path for stage in plan.runs().values() for run in stage.values()),
        [RESULTS / path for path in plan.data],
        [RESULTS / path for path in plan.models],
    )
    for line in DAMAGE:
        print(f"etsdm: error: {line}", file=sys.stderr)
