"""The command line: one command a stage. What a rule runs, a person can run."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from etsdm import fingerprint
from etsdm.errors import AlreadyMade, Interrupted, UserError
from etsdm.runtime import finished, gpus, intact, launch
from etsdm.runtime.files import read_json, sha256, write_json
from etsdm.runtime.manifest import SPEC_FILE, manifest
from etsdm.runtime.stop import StopRequest


class Given(NamedTuple):
    """A specification that a command is given.

    Attributes:
        values: its content.
        file: the file that it was read from; None where the content itself was given, as a workflow does.
    """

    values: dict[str, Any]
    file: Path | None

    def beside(self) -> Path:
        """The folder of the file.

        Raises:
            UserError: there is no file.
        """
        if self.file is None:
            raise UserError("--out: missing; it must be given where --spec is no file")
        return self.file.parent


class Spec(click.ParamType):
    """A specification: a JSON file, which is checked like a configuration, or the JSON of a workflow.

    Args:
        kind: see `specs.read_spec`; None: it is not checked.
    """

    name = "file"

    def __init__(self, kind: str | None) -> None:
        self._kind = kind

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Given:
        """Read it."""
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return Given(json.loads(value), None)
        file = INPUT.convert(value, parameter, context)
        if self._kind is None:
            return Given(read_json(file), file)
        from etsdm.plan.specs import read_spec  # slow to import

        return Given(read_spec(file, self._kind), file)


def spec_option(kind: str) -> Callable[..., Any]:
    """The option for a specification of one kind."""
    return click.option("--spec", type=Spec(kind), required=True, help="The run's spec.json, or its content.")


FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
ENCODERS = click.Choice(["inception", "classifier"])
DISTANCES = click.Choice(["frechet", "kernel"])
SCHEDULE_NAMES = click.Choice(["linear", "quadratic", "cosine", "cosine-shift", "zero-terminal-snr"])
PREDICTIONS = click.Choice(["eps", "v", "x_0"])


class _Input(click.Path):
    """A file that is there; of one that was damaged and set aside, this is said."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        try:
            return super().convert(value, param, context)
        except click.BadParameter:
            if intact.is_set_aside(Path(value)):
                raise UserError(intact.why_set_aside(Path(value))) from None
            raise


INPUT = _Input(path_type=Path, dir_okay=False, exists=True)
COMPILE = click.option(
    "--compile", "compiled", type=bool, default=False, help="1: torch.compile the network; it moves the last bits."
)
DEVICE = click.option(
    "--device",
    default="auto",
    envvar=gpus.DEVICE,
    show_default=True,
    show_envvar=True,
    help="auto, cpu, cuda, cuda:1, ...",
)
BATCH = click.option("--batch", type=click.IntRange(1), help="Images at a time.  [default: by their size]")
DISTANCE = click.option(
    "--distance",
    type=DISTANCES,
    multiple=True,
    default=["frechet", "kernel"],
    show_default=True,
    help="Distance to compute; may be given twice.",
)
RESULTS = click.option(
    "--results", type=FOLDER, default=Path("results"), show_default=True, help="Root of the results."
)
CONFIG = click.argument("config", type=FILE)


def _on_nodes(context: click.Context, _: click.Parameter, nodes: int) -> None:
    context.meta["nodes"] = nodes


def _in_processes(context: click.Context, _: click.Parameter, processes: int) -> None:
    nodes = context.meta["nodes"]
    if processes * nodes > 1 and not launch.is_launched():
        sys.exit(launch.launch(processes, nodes))


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be shared by several processes."""
    processes = click.option(
        "--processes",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        expose_value=False,
        callback=_in_processes,
        help="Processes on each node that share the work, by torchrun: one a GPU.",
    )
    nodes = click.option(
        "--nodes",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        expose_value=False,
        is_eager=True,
        callback=_on_nodes,
        help="Nodes of the SLURM job that share the work.",
    )
    return nodes(processes(command))


def _beside(out: Path) -> Path:
    """Manifest of a file that shares its folder with others."""
    return out.with_name(f"{out.stem}.manifest.json")


def _job() -> dict[str, Any]:
    """What the workflow says about the job: the options before the command's name."""
    return click.get_current_context().find_root().params


def _code(stage: str, *loaded: str) -> str:
    """The code that a stage runs, as the workflow notes it, if there is one."""
    return _job()["code"] or fingerprint.code(stage, *loaded)


def _time() -> StopRequest:
    """What tells that the job's time is nearly up."""
    return StopRequest(_job()["minutes"])


def _recorded(
    path: Path,
    inputs: list[Path],
    outputs: list[Path],
    spec: Given | dict[str, Any] | None = None,
    device: str = "cpu",
    *progress: Path,
    code: str = "",
    kept: bool = True,
) -> AbstractContextManager[dict[str, Any]]:
    """The manifest of a stage, written by one of its processes, and `spec.json` beside it if there is no file yet."""
    values = spec.values if isinstance(spec, Given) else spec
    if not launch.is_first():
        there = kept and finished.folder_of(path).exists()
        if there and finished.has(path, list(intact.digests(inputs).values()), outputs, values, code):
            raise AlreadyMade(f"{path}: the first process puts it back")
        return nullcontext({})
    if isinstance(spec, Given) and spec.file is None:
        write_json(path.with_name(SPEC_FILE), spec.values)
    return manifest(path, inputs, outputs, values, device, _job()["attempt"], progress, code, kept)


def _say(*lines: object) -> None:
    """Tell what was made, by one of the processes."""
    if launch.is_first():
        for line in lines:
            click.echo(line)


class _Commands(click.Group):
    """Commands in the order of the workflow; an error the user can fix is one message and exit code 2."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except UserError as error:
            for line in str(error).splitlines():
                click.echo(f"etsdm: error: {line}", err=True)
            sys.exit(2)
        except PermissionError as error:
            click.echo(f"etsdm: error: {error.filename or 'a file'}: {error.strerror}", err=True)
            sys.exit(2)
        except AlreadyMade as made:
            click.echo(f"etsdm: {made}", err=True)
        except Interrupted as interruption:
            click.echo(f"etsdm: {interruption}", err=True)
            sys.exit(os.EX_TEMPFAIL)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="etsdm")
@click.option(
    "--attempt",
    type=click.IntRange(1),
    default=1,
    help="Number of this attempt in a workflow: after a failure that would only repeat itself, it fails at once.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=0,
    help="Time limit of the job: long work saves what it has before, and leaves with exit code 75. 0: none.",
)
@click.option("--code", help="Code that a workflow was planned with, as it notes it; any other is refused.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    help="Python file with a solver, method or schedule of your own; may be given several times.",
)
def main(attempt: int, minutes: float, code: str | None, plugins: tuple[str, ...]) -> None:
    """Lipschitz singularities in diffusion models: the E-TSDM benchmark, stage by stage.

    \b
    The whole benchmark:   make demo
    What a benchmark does: etsdm plan config/digits.yaml
    A network's images:    etsdm sample --weights RUN/weights.safetensors --out grid.png
    Its Lipschitz curve:   etsdm probe --weights RUN/weights.safetensors --data DATA/images.zip --out k.json

    RUN and DATA are folders that the workflow has made: results/models/.../seed0, say, and results/data/digits-....
    Each command has an example in its own help.
    """
    if plugins:
        from etsdm.config import plugins as files  # slow to import

        files.load([*plugins])
    if code:
        fingerprint.check(code)


@main.command()
@CONFIG
@click.option("--all", "every", is_flag=True, help="Open every image, not 64 of each data set.")
@click.option("--no-data", is_flag=True, help="Check the configuration alone; its data need not be there.")
@click.option("--outdated", is_flag=True, help="Only name what must be prepared again, as its source has changed.")
def check(config: Path, every: bool, no_data: bool, outdated: bool) -> None:
    """Check a configuration and its data sources; run nothing.

    Of each data set of your own 64 images are opened, spread over a folder, or else the first ones. It says how many
    images there are, of which sizes and classes, and what is passed over.

    \b
    Example:  etsdm check config/digits.yaml
    """
    from etsdm.data.look import look
    from etsdm.data.prepared import OUTPUTS, is_gone, is_outdated
    from etsdm.plan.plan import RESULTS, load_plan

    planned = load_plan(config, look=not (no_data or outdated))
    if outdated:
        folders = {RESULTS / run.path: run.spec for run in planned.data.values()}
        again = [folder for folder, spec in folders.items() if is_outdated(folder, spec)]
        _say(*(folder / name for folder in again for name in OUTPUTS))  # Snakemake must miss each that is lost
        return
    if no_data:
        return
    for name, dataset in planned.config.datasets.items():
        _say(*(f"{name}: {remark}" for remark in planned.found[name].remarks))
        if dataset.source == "bundled" or is_gone(dataset.model_dump()):
            continue
        try:
            _say(*look(name, dataset.model_dump(), None if every else 64))
        except UserError as error:
            raise UserError("\n".join(f"{config}: {line}" for line in str(error).splitlines())) from error
    _say(f"{config}: fine; its data are there, too")


@main.command()
@CONFIG
@click.option("--measure", is_flag=True, help="Take the rates of this machine, not those in the configuration.")
@DEVICE
def plan(config: Path, measure: bool, device: str) -> None:
    """Show what a configuration takes: jobs, device-hours, disk, files.

    Jobs are counted by rule, all else by experiment. The data need not be there. With --measure, a few
    training steps and evaluations of each network are timed.

    \b
    Example:  etsdm plan config/paper.yaml
    """
    from etsdm.cost.estimate import describe
    from etsdm.cost.rates import given_rates, measure_rates
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    click.echo(describe(planned, measure_rates(planned, device) if measure else given_rates(planned)))


@main.command()
@CONFIG
@RESULTS
def fetch(config: Path, results: Path) -> None:
    """Get what a configuration needs from the internet.

    For machines whose jobs have none; others fetch what they need when they need it.

    \b
    Example:  etsdm fetch config/paper.yaml
    """
    from etsdm.data.download import download
    from etsdm.data.registered import files_of, how_to_get
    from etsdm.metrics.inception import provide_inception
    from etsdm.metrics.names import ENCODER_FILES
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    for run in planned.encoders.values():
        if run.spec["name"] == "inception":
            out = results / run.path / ENCODER_FILES["inception"]
            spec, code = Given(run.spec, None), _code("inception")
            with _recorded(out.with_name("manifest.json"), [], [out], spec, code=code) as record:
                record.update(provide_inception(run.spec["weights"], out))
            click.echo(f"{out}: from {record['source']}, verified")
    for name, dataset in planned.config.datasets.items():
        files = files_of(dataset)
        for path, file in files.items():
            if path.exists():
                click.echo(f"{path}: there already")
                continue
            download(file.url, path, file.sha256)
            click.echo(f"{path}: from {file.url}, verified by its SHA-256")
        if not files:
            click.echo(f"{name}: {dataset.source}; no download{how_to_get(dataset)}")


@main.command()
@spec_option("data")
@click.option("--out", type=FOLDER, help="Folder for images.zip and dataset.json.  [default: that of --spec]")
@click.option("--workers", type=click.IntRange(1), help="Processes that read images.  [default: one a processor]")
def prepare(spec: Given, out: Path | None, workers: int | None) -> None:
    """Turn a data source into images.zip and dataset.json.

    After a cut the same command goes on.

    \b
    Example:  etsdm prepare --spec results/data/digits-8px-0a1b2c3d/spec.json
    """
    from etsdm.data.prepare import DIGEST_FILE
    from etsdm.data.prepare import prepare as run
    from etsdm.data.sources import fingerprint as source_fingerprint
    from etsdm.data.sources import module
    from etsdm.runtime.parts import folder_of
    from etsdm.runtime.workers import cpus

    values, out = spec.values, out or spec.beside()
    images = out / "images.zip"
    made, code = [images, out / "dataset.json", out / DIGEST_FILE], _code("prepare", module(values))
    record = _recorded(out / "manifest.json", [], made, spec, "cpu", folder_of(images), code=code, kept=False)
    with record as noted:  # not kept, as sources may change
        noted["source"] = source_fingerprint(values)
        description = run(values, out, workers=workers or cpus(), code=code, minutes=_job()["minutes"])
        noted.update({key: description[key] for key in ("count", "digest", "saturated", "damaged")})
    _say(f"{out / 'images.zip'}: {description['count']:,} images")


@main.command()
@spec_option("encoder")
@click.option("--data", type=INPUT, help="The data set's images.zip (classifier only).")
@click.option("--out", type=FILE, required=True, help="Weights file to write.")
@DEVICE
def encoder(spec: Given, data: Path | None, out: Path, device: str) -> None:
    """Train the classifier, or find the Inception weights.

    Either turns images into the features that distances are computed from. The Inception weights are verified.

    \b
    Example:  etsdm encoder --spec results/encoders/inception/spec.json --out inception-2015-12-05.pt
    """
    values, inputs = spec.values, [data, data.with_name("dataset.json")] if data else []
    code = _code("inception" if values["name"] == "inception" else "encoder")
    with _recorded(out.with_name("manifest.json"), inputs, [out], spec, device, code=code) as record:
        if values["name"] == "inception":
            from etsdm.metrics.inception import provide_inception

            record.update(provide_inception(values["weights"], out))
        elif data is None:
            raise UserError("encoder: the classifier is trained on a data set; give its images.zip with --data")
        else:
            from etsdm.metrics.classifier import train_classifier
            from etsdm.runtime.devices import pick_device

            description = data.with_name("dataset.json")
            record.update(train_classifier(values, data, description, out, pick_device(device, _time())))
    _say(out)


@main.command()
@spec_option("model")
@click.option("--data", type=INPUT, required=True, help="The data set's images.zip.")
@click.option("--out", type=FOLDER, help="Folder for the weights.  [default: that of --spec]")
@click.option(
    "--save-minutes",
    type=click.FloatRange(0),
    default=5,
    show_default=True,
    help="Minutes between saved states: what a killed training loses at most.",
)
@click.option("--micro-batch", type=click.IntRange(1), help="Images at a time on a device.  [default: what fits]")
@click.option("--checkpointing", type=bool, default=False, help="1: take less memory and more time; no result changes.")
@COMPILE
@DEVICE
@shared
def train(
    spec: Given,
    data: Path,
    out: Path | None,
    save_minutes: float,
    micro_batch: int | None,
    checkpointing: bool,
    compiled: bool,
    device: str,
) -> None:
    """Train a network, or go on with a training.

    Ctrl-C saves the state; the same command goes on, and ends with the same weights.

    \b
    Example:  etsdm train --spec RUN/spec.json --data results/data/digits-8px-0a1b2c3d/images.zip
    """
    from etsdm.data.sources import expanded
    from etsdm.diffusion.make import modules_behind
    from etsdm.training.snapshots import kept
    from etsdm.training.train import train as run

    values, out = spec.values, out or spec.beside()
    code = _code("train", *modules_behind(values))
    snapshots = [out / snapshot.file for snapshot in kept(values["training"])]
    made = [out / "weights.safetensors", out / "metrics.jsonl", *snapshots]
    initial = values["training"].get("initial")
    inputs = [data, Path(expanded(initial["weights"]))] if initial else [data]
    with _recorded(out / "manifest.json", inputs, made, spec, device, out / "state", code=code) as record:
        record.update(
            run(
                values,
                data,
                out,
                device,
                fingerprint=code,
                save_minutes=save_minutes,
                minutes=_job()["minutes"],
                micro_batch=micro_batch,
                checkpointing=checkpointing,
                compiled=compiled,
            )
        )
    _say(made[0])


@main.command()
@spec_option("snapshot")
@click.option("--training", type=INPUT, required=True, help="manifest.json of the training that wrote the snapshot.")
@click.option("--out", type=FILE, help="Weights file to write.  [default: weights.safetensors beside --spec]")
def snapshot(spec: Given, training: Path, out: Path | None) -> None:
    """Make a model of a snapshot that a training has kept.

    The snapshot is checked against the training's manifest. Nothing is trained.

    \b
    Example:  etsdm snapshot --spec RUN/snapshots/7000-ema5000/spec.json --training RUN/manifest.json
    """
    from etsdm.training.snapshots import Snapshot
    from etsdm.training.take import take_snapshot

    out = out or spec.beside() / "weights.safetensors"
    file = training.with_name(Snapshot(**spec.values["snapshot"]).file)
    with _recorded(out.with_name("manifest.json"), [file], [out], spec, code=_code("snapshot")) as record:
        record.update(take_snapshot(training, file, out))
    _say(out)


@main.command("import")
@click.argument("checkpoint", type=INPUT)
@click.option("--out", type=FOLDER, required=True, help="Folder for weights.safetensors.")
@click.option("--name", required=True, help="Name of the data set that it was trained on.")
@click.option("--resolution", type=click.IntRange(1), required=True, help="Side of its images in pixels.")
@click.option("--heads", type=click.IntRange(1), help="Attention heads (num_heads).")
@click.option(
    "--head-channels", type=click.IntRange(1), help="Channels a head (num_head_channels), instead of --heads."
)
@click.option("--norm-groups", type=click.IntRange(1), default=32, show_default=True, help="Groups of a normalisation.")
@click.option("--schedule", type=SCHEDULE_NAMES, default="linear", show_default=True, help="Its noise schedule.")
@click.option("--timesteps", type=click.IntRange(50), default=1000, show_default=True, help="T.")
@click.option(
    "--told-up-to", type=click.IntRange(1), help="1000: it was told 1000 t / T (rescale_timesteps).  [default: told t]"
)
@click.option("--prediction", type=PREDICTIONS, default="eps", show_default=True, help="What it predicts.")
@click.option(
    "--attention-order",
    type=click.Choice(["legacy", "new"]),
    default="legacy",
    show_default=True,
    help="new: for a checkpoint made with use_new_attention_order.",
)
@click.option("--label", type=click.IntRange(0), help="The class to draw, of a class-conditional network.")
def import_(
    checkpoint: Path,
    out: Path,
    name: str,
    resolution: int,
    heads: int | None,
    head_channels: int | None,
    norm_groups: int,
    schedule: str,
    timesteps: int,
    told_up_to: int | None,
    prediction: str,
    attention_order: str,
    label: int | None,
) -> None:
    """Import a checkpoint in guided-diffusion's layout as a model.

    Most of the network is recognised from its tensors; the options are what they do not show. A learned variance is
    left out. Of the published files take ema_*.pt. Upsamplers and the network for 512 pixels cannot be imported. Words
    before the names (module., _orig_mod., ema_model.) and mappings around them (state_dict, ema, model) are taken away;
    of several networks, that under ema is taken, which is said.

    \b
    Example:  etsdm import lsun_bedroom.pt --name lsun-bedroom --resolution 256 --head-channels 64 --out bedroom
    """
    from etsdm.models.guided_diffusion import import_checkpoint, taken_on_trust

    if (heads is None) == (head_channels is None):
        raise UserError("import: give either --heads or --head-channels, as the network was trained with")
    diffusion = {"timesteps": timesteps, "schedule": schedule, "time": "discrete", "prediction": prediction}
    weights = out / "weights.safetensors"
    with _recorded(out / "manifest.json", [checkpoint], [weights]) as record:
        record["network"] = import_checkpoint(
            checkpoint,
            weights,
            name,
            resolution,
            diffusion | {"tau_min": 1e-3},
            heads,
            head_channels,
            norm_groups,
            attention_order,
            label,
            told_up_to,
        )
    if timesteps != 1000 and told_up_to is None:
        click.echo(
            f"etsdm: warning: the network will be told t = 0, ..., {timesteps - 1}; if it was trained with "
            f"rescale_timesteps (the default of improved-diffusion), it was told 1000 t / {timesteps}: give "
            "--told-up-to 1000",
            err=True,
        )
    for line in taken_on_trust(record["network"], resolution):
        click.echo(f"etsdm: {line}", err=True)
    settings = [f"{key}: {json.dumps(value)}" for key, value in record["network"].items()]
    initial = json.dumps({"weights": str(weights), "sha256": sha256(weights)})
    click.echo("\n  ".join([f"# {weights} in a configuration\nnetwork:", *settings]))
    click.echo(f"training:\n  initial: {initial}")


@main.command()
@click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a training.")
@click.option(
    "--spec",
    type=Spec("sample"),
    help="spec.json of a sample set, or its content, instead of the six options that follow.",
)
@click.option("--solver", help="ddpm, ddim, dpm-solver-1/2/3, dpm-solver++-2m/3m.  [default: ddim]")
@click.option("--nfe", type=int, default=50, show_default=True, help="Network evaluations an image.")
@click.option(
    "--grid", default="uniform", show_default=True, help="Spacing of the solver's times: uniform, quadratic or log-snr."
)
@click.option(
    "--clip-x0",
    type=click.Choice(["auto", "true", "false"]),
    help="Clip each predicted x_0; auto: where noise is predicted and lambda starts below -6.  [default: the solver's]",
)
@click.option("--lambda-start", type=float, help="Start where lambda is this, if that is later.  [default: at t_max]")
@click.option(
    "--precision",
    type=click.Choice(["float32", "tf32", "bfloat16"]),
    default="tf32",
    show_default=True,
    help="Of the network's products; a CPU takes tf32 for float32.",
)
@click.option("-n", "--count", type=click.IntRange(1), default=64, show_default=True, help="Images to make.")
@click.option("--seed", type=int, default=0, show_default=True, help="Image i depends on this seed and i alone.")
@click.option("--out", type=FILE, required=True, help="A picture of all images (.png), or an archive of PNGs (.zip).")
@BATCH
@COMPILE
@DEVICE
@shared
def sample(
    weights: Path,
    spec: Given | None,
    solver: str | None,
    nfe: int,
    grid: str,
    clip_x0: str | None,
    lambda_start: float | None,
    precision: str,
    count: int,
    seed: int,
    out: Path,
    batch: int | None,
    compiled: bool,
    device: str,
) -> None:
    """Make images from trained weights.

    Ctrl-C keeps the batches that are finished; the same command goes on.

    \b
    Example:  etsdm sample --weights RUN/weights.safetensors \\
                --solver dpm-solver-3 --nfe 20 -n 64 --out grid.png
    """
    if spec and solver:
        raise UserError("sample: give either --spec or --solver")
    if out.suffix not in (".png", ".zip"):
        raise UserError(f"{out}: ends neither in .png, for a picture, nor in .zip, for an archive of images")
    if spec is None:
        from etsdm.plan.reading import parse_solver

        asked: dict[str, Any] = {"name": solver or "ddim", "nfe": [nfe], "grid": grid}
        if clip_x0:
            asked["clip_x0"] = {"true": True, "false": False}.get(clip_x0, clip_x0)
        if lambda_start is not None:
            asked["lambda_start"] = lambda_start
        settings = parse_solver(asked).model_dump(exclude_none=True) | {"nfe": nfe}
        values: dict[str, Any] = {"solver": settings, "samples": count, "precision": precision, "seed": seed}
    else:
        values = spec.values
    from etsdm.runtime.parts import folder_of
    from etsdm.sampling.sample import sample as run

    beside = out.with_suffix(".manifest.json") if spec is None else out.with_name("manifest.json")
    code, minutes = _sampling_code("sample", values), _job()["minutes"]
    with _recorded(beside, [weights], [out], spec or values, device, folder_of(out), code=code) as record:
        options = {"fingerprint": code, "minutes": minutes, "compiled": compiled, "few": spec is None}
        record.update(run(weights, values, out, device, batch, **options))
    solved = values["solver"]
    _say(f"{out}: {values['samples']:,} images by {solved['name']}, {solved['nfe']} evaluations each")


def _sampling_code(stage: str, spec: dict[str, Any]) -> str:
    """The code that draws images, whatever the method of the network."""
    from etsdm.diffusion.make import all_modules
    from etsdm.solvers import SOLVERS

    return _code(stage, SOLVERS.module(spec["solver"]["name"]), *all_modules())


@main.command()
@click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a training.")
@click.option("--out", type=FOLDER, required=True, help="Folder to write.")
def export(weights: Path, out: Path) -> None:
    """Export a model as a folder that diffusers loads.

    \b
    Example:  etsdm export --weights RUN/weights.safetensors --out for-diffusers
    """
    from etsdm.models import diffusers

    files = (diffusers.UNET, diffusers.UNET_CONFIG, diffusers.SCHEDULER, diffusers.PIPELINE)
    with _recorded(out / "manifest.json", [weights], [out / file for file in files]):
        diffusers.export(weights, out)


@main.command()
@click.option("--encoder", type=ENCODERS, required=True, help="Which feature extractor.")
@click.option("--weights", type=INPUT, required=True, help="Its weights, made by `etsdm encoder`.")
@click.option("--images", type=INPUT, required=True, help="Archive of images: samples.zip, or a data set's images.zip.")
@click.option("--count", type=click.IntRange(1), help="Use exactly the first so many images.  [default: all]")
@click.option("--out", type=FILE, required=True, help="features.npz to write.")
@DEVICE
@shared
def features(encoder: str, weights: Path, images: Path, count: int | None, out: Path, device: str) -> None:
    """Extract the features of an image archive, once for every metric.

    \b
    Example:  etsdm features --encoder inception --weights inception-2015-12-05.pt \\
                --images samples.zip --out features.npz
    """
    from etsdm.metrics.features import extract_features
    from etsdm.runtime.parts import folder_of

    code = _code("features", f"etsdm.metrics.{encoder}")
    spec = {"encoder": encoder, "count": count}
    with _recorded(_beside(out), [weights, images], [out], spec, device, folder_of(out), code=code) as record:
        record.update(
            extract_features(encoder, weights, images, out, count, device, fingerprint=code, minutes=_job()["minutes"])
        )
    made = intact.read_manifest(images.with_name("manifest.json"))
    if launch.is_first() and made and made["inputs"]:  # drawn, not prepared: who has read them knows of their end
        finished.forget(images.with_name("manifest.json"))
    _say(out)


@main.command()
@click.option("--images", type=INPUT, required=True, help="Archive of images.")
@click.option("--count", type=click.IntRange(1), required=True, help="How many.")
@click.option("--out", type=FILE, required=True, help="Archive to write.")
def excerpt(images: Path, count: int, out: Path) -> None:
    """Keep the first images of an archive, for figures.

    \b
    Example:  etsdm excerpt --images samples.zip --count 12 --out shown.zip
    """
    from etsdm.data.archive import read_images, write_images

    with _recorded(_beside(out), [images], [out], {"count": count}, code=_code("excerpt")) as record:
        record["count"] = write_images(out, read_images(images, count))
    _say(out)


@main.command()
@click.option("--features", type=INPUT, required=True, help="Features of the data set, by `etsdm features`.")
@click.option("--encoder", type=ENCODERS, required=True, help="The extractor that made them.")
@DISTANCE
@click.option("--out", type=FILE, required=True, help="reference.npz to write.")
def reference(features: Path, encoder: str, distance: tuple[str, ...], out: Path) -> None:
    """Summarise a reference: what every score needs of it, once.

    That is the mean, the root of the covariance and the kernel within the reference, whose time is quadratic in it.

    \b
    Example:  etsdm reference --features data/features.npz --encoder inception --out data/reference.npz
    """
    from etsdm.metrics.score import summarise

    spec = {"encoder": encoder, "distances": [*distance]}
    with _recorded(_beside(out), [features], [out], spec, code=_code("score")) as record:
        record.update(summarise(features, list(distance), encoder, out))
    _say(out)


@main.command()
@click.option("--samples", type=INPUT, required=True, help="Features of the generated images, by `etsdm features`.")
@click.option("--reference", type=INPUT, required=True, help="Features of the data set, by the same extractor.")
@click.option("--summary", type=INPUT, help="Their summary, by `etsdm reference`.  [default: computed here]")
@click.option("--encoder", type=ENCODERS, required=True, help="The extractor: part of the metric's name.")
@DISTANCE
@click.option("--count", type=int, help="Images that the sample set must have, or it is refused.  [default: any]")
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Replicates of the Frechet distance over resampled images; each takes as long as the distance.",
)
@click.option("--out", type=FILE, required=True, help="scores.json to write.")
def score(
    samples: Path,
    reference: Path,
    summary: Path | None,
    encoder: str,
    distance: tuple[str, ...],
    count: int | None,
    bootstrap: int,
    out: Path,
) -> None:
    """Compute distances, FID for one, from stored features.

    \b
    Example:  etsdm score --samples samples/features.npz --reference data/features.npz \\
                --encoder inception --count 10000 --out scores.json
    """
    from etsdm.metrics.score import score as run

    inputs = [samples, reference, *([summary] if summary else [])]
    spec = {"encoder": encoder, "distances": [*distance], "count": count, "bootstrap": bootstrap}
    with _recorded(_beside(out), inputs, [out], spec, code=_code("score")):
        values = run(samples, reference, summary, list(distance), encoder, count, out, bootstrap)["values"]
    _say(*(f"{name}  {value:.6g}" for name, value in values.items()), out)


@main.command()
@click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a training for super-resolution.")
@click.option("--images", type=INPUT, required=True, help="Archive of true images; their resolution is lowered first.")
@spec_option("restoration")
@BATCH
@click.option("--out", type=FOLDER, required=True, help="Folder for inputs.zip and restored.zip.")
@DEVICE
@shared
def restore(weights: Path, images: Path, spec: Given, batch: int | None, out: Path, device: str) -> None:
    """Restore low-resolution images by a conditional network.

    \b
    Example:  etsdm restore --weights RUN/weights.safetensors --images test.zip \\
                --spec results/restorations/.../spec.json --out restored
    """
    from etsdm.runtime.parts import folder_of
    from etsdm.sampling.restore import restore as run

    values, made = spec.values, [out / "inputs.zip", out / "restored.zip"]
    parts = folder_of(out / "restored.zip")
    code = _sampling_code("restore", values)
    with _recorded(out / "manifest.json", [weights, images], made, spec, device, parts, code=code) as record:
        record.update(run(weights, images, values, out, device, batch, fingerprint=code, minutes=_job()["minutes"]))
    _say(*made)


@main.command()
@click.option("--restored", type=INPUT, required=True, help="Archive of restored images.")
@click.option("--truth", type=INPUT, required=True, help="Archive of true images, in the same order.")
@click.option("--out", type=FILE, required=True, help="scores.json to write.")
def compare(restored: Path, truth: Path, out: Path) -> None:
    """Compare restored images with true ones: PSNR, SSIM, colour.

    \b
    Example:  etsdm compare --restored restored.zip --truth images.zip --out scores.json
    """
    from etsdm.metrics.restoration import compare as run

    with _recorded(_beside(out), [restored, truth], [out], code=_code("compare")):
        values = run(restored, truth, out)["values"]
    _say(*(f"{name}  {value:.6g}" for name, value in values.items()), out)


@main.command()
@click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a training.")
@click.option("--data", type=INPUT, required=True, help="The data set's images.zip.")
@click.option(
    "--spec",
    type=Spec("probe"),
    help="spec.json of a probe, or its content.  [default: K of 512 images, at the paper's times]",
)
@click.option("--out", type=FILE, required=True, help="JSON file to write.")
@DEVICE
def probe(weights: Path, data: Path, spec: Given | None, out: Path, device: str) -> None:
    """Probe a trained network: K, stability, solvers' errors.

    K(t', t) is its time-Lipschitz constant; E-TSDM's is 0 inside a sub-interval. The measured points are printed, too.

    \b
    Example:  etsdm probe --weights RUN/weights.safetensors --data images.zip --out k.json
    """
    from tabulate import tabulate

    from etsdm import probes
    from etsdm.diffusion.make import all_modules
    from etsdm.experiments.measures import Pairs
    from etsdm.runtime.devices import pick_device
    from etsdm.solvers import SOLVERS

    values = spec.values if spec else {"probe": "lipschitz", **Pairs.model_validate({"images": 512}).model_dump()}
    beside = out.with_name("manifest.json") if spec else _beside(out)
    tried = sorted({SOLVERS.module(solver["name"]) for solver in values.get("solvers", [])})
    code = _code("probe", probes.module(values["probe"]), *tried, *all_modules())
    with _recorded(beside, [weights, data], [out], spec or values, device, code=code) as record:
        result = probes.load(values["probe"])(weights, data, values, str(pick_device(device, _time())))
        write_json(out, result)
        record.update(n=result["n"])
    _say(tabulate(result["points"], headers="keys", floatfmt=".4g"), out)


@main.command()
@spec_option("theory")
@click.option("--out", type=FILE, required=True, help="result.json to write.")
def theory(spec: Given, out: Path) -> None:
    """Compute what is known exactly, on a mixture of Gaussians.

    That is d eps/dt by schedule and time, and E-TSDM's error beside its bound.

    \b
    Example:  etsdm theory --spec results/theory/0a1b2c3d/spec.json --out result.json
    """
    from etsdm.diffusion.schedules import SCHEDULES
    from etsdm.probes.theory import theory as run

    code = _code("theory", *map(SCHEDULES.module, spec.values["schedules"]))
    with _recorded(out.with_name("manifest.json"), [], [out], spec, code=code):
        write_json(out, run(spec.values))
    _say(out)


@main.command()
@click.option("--config", type=Spec(None), required=True, help="A resolved configuration: JSON, or a file of it.")
@click.option("--out", type=FILE, required=True, help="inventory.json to write.")
def inventory(config: Given, out: Path) -> None:
    """Write what a configuration asks for, for its report.

    That is all that the report knows of it.

    \b
    Example:  etsdm inventory --config resolved.json --out results/reports/digits/inventory.json
    """
    from etsdm.plan.plan import make_plan

    write_json(out, make_plan(config.values, "--config", look=False).inventory())
    _say(out)


def _report_stage(name: str, summary: str, run: Callable[[Path, Path], Any]) -> None:
    @main.command(
        name,
        help=f"{summary}\n\n\b\nExample:  etsdm {name} --inventory results/reports/digits/inventory.json",
    )
    @click.option("--inventory", type=INPUT, required=True, help="The report's inventory.json.")
    @RESULTS
    def command(inventory: Path, results: Path) -> None:
        run(inventory, results)


def _rows(inventory: Path, results: Path) -> None:
    from etsdm.report.rows import write_rows

    plan, report = read_json(inventory), inventory.parent
    files = [results / measurement["file"] for measurement in plan["measurements"]]
    whole = [file for file in files if intact.is_whole(file)]  # what is damaged is set aside, and its value is NA
    for model in plan["models"]:
        intact.is_whole(results / model / "metrics.jsonl")
    with _recorded(_beside(report / "rows"), whole, _tidy(report), code=_code("rows"), kept=False):
        write_rows(plan, results, report)


def _tidy(report: Path) -> list[Path]:
    return [report / "rows.csv", report / "losses.csv"]


def _tables(inventory: Path, results: Path) -> None:
    from etsdm.report.contents import table_files
    from etsdm.report.tables.write import write_tables

    report = inventory.parent
    with _recorded(
        _beside(report / "tables"),
        _tidy(report),
        table_files(report, read_json(inventory)),
        code=_code("tables"),
        kept=False,
    ):
        write_tables(report, results, PUBLISHED)


def _figures(inventory: Path, results: Path) -> None:
    from etsdm.report.contents import figure_files
    from etsdm.report.figures.write import write_figures

    report = inventory.parent
    with _recorded(
        _beside(report / "figures"),
        _tidy(report),
        figure_files(report, read_json(inventory)),
        code=_code("figures"),
        kept=False,
    ):
        write_figures(report, results, PUBLISHED)


def _page(inventory: Path, results: Path) -> None:
    from etsdm.report.contents import figure_files, table_files
    from etsdm.report.page import write_page

    report, plan = inventory.parent, read_json(inventory)
    inputs = [*_tidy(report), *table_files(report, plan), *figure_files(report, plan)]
    with _recorded(_beside(report / "report"), inputs, [report / "report.html"], code=_code("page"), kept=False):
        said = write_page(report, results, PUBLISHED)
    for warning in said:
        click.echo(f"etsdm: warning: {warning}", err=True)


PUBLISHED = Path(__file__).resolve().parents[1] / "config" / "paper_results.csv"
REPORT = {
    "rows": ("Gather every measurement into rows.csv.", _rows),
    "tables": ("Write the tables from rows.csv.", _tables),
    "figures": ("Draw the figures from rows.csv.", _figures),
    "page": ("Write report.html from the tables and figures.", _page),
}
for _name, (_summary, _run) in REPORT.items():
    _report_stage(_name, _summary, _run)


@main.command()
@CONFIG
@RESULTS
def report(config: Path, results: Path) -> None:
    """Build the report from the results there are.

    What is missing shows as NA, with the reason.

    \b
    Example:  etsdm report config/digits.yaml
    """
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    inventory = results / planned.report / "inventory.json"
    write_json(inventory, planned.inventory())
    for _, run in REPORT.values():
        run(inventory, results)
    click.echo(f"{results / planned.report / 'report.html'}")


@main.command(context_settings={"ignore_unknown_options": True})
@CONFIG
@click.option("--any-code", is_flag=True, help="Results of other code, too: where you know that the numbers are equal.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be taken over, and what not.")
@click.argument("snakemake", nargs=-1)
def adopt(config: Path, any_code: bool, dry_run: bool, snakemake: tuple[str, ...]) -> None:
    """Take over results that Snakemake would make again.

    For results that were copied without their times, belong to a new clone, or come from a machine with another clock.
    Each is checked by its manifest: its files, what it was made from, its settings and its code. Further arguments go
    to Snakemake.

    \b
    Example:  etsdm adopt config/digits.yaml
    """
    from tqdm import tqdm

    from etsdm.plan import adopt as run
    from etsdm.plan.plan import RESULTS, load_plan

    planned = load_plan(config, look=False)
    with tqdm(desc="check", unit="B", unit_scale=True) as bar:
        verdict = run.judge(planned, RESULTS, any_code, bar.update)
    for file, reason in verdict.refused.items():
        click.echo(f"{file}: {reason}", err=True)
    if verdict.adopted and not dry_run:
        run.adopt(verdict, planned, RESULTS, config, [*snakemake])
    _say(
        f"{len(verdict.adopted):,} results {'would be' if dry_run else 'are'} taken over, {len(verdict.refused):,} not"
    )
    sys.exit(1 if verdict.refused else 0)


@main.command()
@click.argument("file", type=FILE)
def trace(file: Path) -> None:
    """Show how a result came to be, back to the images.

    The exit code is 1 if a file of the chain is not what it was.

    \b
    Example:  etsdm trace results/samples/digits-8px/ddpm-linear-0a1b2c3d/seed0/.../scores.json
    """
    from etsdm.runtime.trace import trace as run

    lines = list(run(file))
    for line, _ in lines:
        click.echo(line)
    sys.exit(0 if all(holds for _, holds in lines) else 1)


@main.command()
@click.argument("file", type=FILE)
def redo(file: Path) -> None:
    """Have the workflow make a file again, a trained network, too.

    The next workflow command makes it again, with all that its stage makes and all that follows from it. Nothing is
    computed now, and no damaged file is deleted.

    \b
    Example:  etsdm redo results/models/digits-8px/ddpm-linear-0a1b2c3d/seed0/weights.safetensors
    """
    _say(f"{intact.redo(file)}: removed, so that the next workflow command makes {file.name} again")


@main.command()
@click.option("--out", type=FOLDER, default=Path("config"), show_default=True, help="Folder of schema.json, README.md.")
def schema(out: Path) -> None:
    """Write the schema and the reference of configurations.

    They are config/schema.json and the list of keys in config/README.md, both made from the typed models.

    \b
    Example:  etsdm schema
    """
    from etsdm.plan.reference import write_reference

    write_reference(out)
    _say(out / "schema.json", out / "README.md")
