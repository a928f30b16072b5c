"""Types of options, and the options that several commands have."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import click

from etsdm.errors import UserError
from etsdm.runtime import gpus, intact, launch

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Names(click.ParamType):
    """A name out of a list. The list is made only when a value is read or help is shown, as it can be slow.

    Args:
        kind: what is named, for messages.
        names: gives the names that there are, in order.
        renamed: gives former names, each with the name of today.
    """

    name = "name"

    def __init__(
        self, kind: str, names: Callable[[], Iterable[str]], renamed: Callable[[], dict[str, str]] = dict
    ) -> None:
        self._kind, self._names, self._renamed = kind, names, renamed

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The names, as help shows them."""
        return f"[{'|'.join(self._names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same name. An unknown one is a usage error, which shows the nearest."""
        known = [*self._names()]
        if value not in known:
            if now := self._renamed().get(str(value)):
                self.fail(f"the {self._kind} {value!r} is called {now!r} now", param, ctx)
            from etsdm.config.strict import allowed_instead  # slow to import

            self.fail(f"unknown {self._kind} {value!r}; {allowed_instead(value, known)}", param, ctx)
        return str(value)


def _encoders() -> Iterable[str]:
    from etsdm.metrics.encoders import ENCODERS

    return ENCODERS.names()


def _distances() -> Iterable[str]:
    from etsdm.metrics.distances import DISTANCES

    return DISTANCES.names()


def _usual_distances() -> tuple[str, ...]:
    from etsdm.metrics.distances import DISTANCES

    return tuple(name for name, distance in DISTANCES.all().items() if distance.usual)


def _schedules() -> Iterable[str]:
    from etsdm.diffusion.schedules import SCHEDULES

    return SCHEDULES.names()


def _predictions() -> Iterable[str]:
    from etsdm.diffusion.predictions import PREDICTIONS

    return PREDICTIONS


def _renamed_solvers() -> dict[str, str]:
    from etsdm.solvers import SOLVERS

    return SOLVERS.renamed()


def _solvers() -> Iterable[str]:
    from etsdm.solvers import SOLVERS

    return SOLVERS.names()


def _grids() -> Iterable[str]:
    from etsdm.solvers.grids import GridName

    return get_args(GridName)


def _precisions() -> Iterable[str]:
    from etsdm.config.precision import Precision

    return get_args(Precision)


ENCODERS = Names("encoder", _encoders)
DISTANCES = Names("distance", _distances)
SCHEDULES = Names("schedule", _schedules)
PREDICTIONS = Names("prediction", _predictions)
SOLVERS = Names("solver", _solvers, _renamed_solvers)
GRIDS = Names("grid", _grids)
PRECISIONS = Names("precision", _precisions)


class _Input(click.Path):
    """A file that exists. If it was damaged and set aside, the message says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            if intact.is_set_aside(Path(value)):
                raise UserError(intact.why_set_aside(Path(value))) from None
            raise


FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
INPUT = _Input(path_type=Path, dir_okay=False, exists=True)


class _Flag(click.Option):
    """A flag that took 0 or 1 in earlier versions. Such a value is refused, with what to write."""

    def handle_parse_result(self, ctx: click.Context, opts: Any, args: list[str]) -> Any:
        if opts.get(self.name) and any(word.lower() in ("0", "1", "false", "true") for word in args):
            flag = self.opts[0]
            raise UserError(
                f"{flag}: takes no value; write {flag} alone to turn it on, and leave it out to turn it off"
            )
        return super().handle_parse_result(ctx, opts, args)


def flag(name: str, parameter: str, text: str) -> Decorator:
    """An option without a value.

    Args:
        name: as it is written, such as `--compile`.
        parameter: the argument of the command's function.
        text: its help.
    """
    return click.option(name, parameter, cls=_Flag, is_flag=True, help=text)


def out_file(text: str, required: bool = True) -> Decorator:
    """The option for the file to write."""
    return click.option("--out", type=FILE, required=required, help=text)


def out_folder(text: str, required: bool = True) -> Decorator:
    """The option for the folder to write to."""
    return click.option("--out", type=FOLDER, required=required, help=text)


CONFIG = click.argument("config", type=FILE)
RESULTS = click.option(
    "--results", type=FOLDER, default=Path("results"), show_default=True, help="Root folder of the results."
)
WEIGHTS = click.option("--weights", type=INPUT, required=True, help="weights.safetensors of a trained model.")
DATA = click.option("--data", type=INPUT, required=True, help="The data set's images.zip.")
ENCODER = click.option(
    "--encoder", type=ENCODERS, required=True, help="Feature extractor; the metric is named after it."
)
DISTANCE = click.option(
    "--distance",
    type=DISTANCES,
    multiple=True,
    callback=lambda _, __, names: names or _usual_distances(),
    help="Distance to compute. Give it again for each further one.  [default: frechet, kernel]",
)
COMPILE = flag("--compile", "compiled", "Compile the network with torch.compile. This changes the last bits.")
DEVICE = click.option(
    "--device",
    default="auto",
    envvar=gpus.DEVICE,
    show_default=True,
    show_envvar=True,
    help="auto, cpu, cuda, cuda:1, ...",
)
BATCH = click.option("--batch", type=click.IntRange(1), help="Images at a time.  [default: by their size]")


def _on_nodes(context: click.Context, _: click.Parameter, nodes: int) -> None:
    context.meta["nodes"] = nodes


def _in_processes(context: click.Context, _: click.Parameter, processes: int) -> None:
    nodes = context.meta["nodes"]
    if processes * nodes > 1 and not launch.is_launched():
        sys.exit(launch.launch(processes, nodes))


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let several processes share a command."""
    processes = click.option(
        "--processes",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        expose_value=False,
        callback=_in_processes,
        help="Processes on each node that share the work, one per GPU.",
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
