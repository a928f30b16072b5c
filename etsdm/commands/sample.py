"""`etsdm sample`."""

from pathlib import Path
from typing import Any

import click

from etsdm.commands._options import (
    BATCH,
    COMPILE,
    DEVICE,
    GRIDS,
    PRECISIONS,
    SOLVERS,
    WEIGHTS,
    out_file,
    shared,
)
from etsdm.commands._record import job, recorded, sampling_code, say
from etsdm.commands._specification import Specification, spec_option
from etsdm.errors import UserError

ORDER = 90
OF_A_SAMPLE_SET = "spec.json of a sample set, or its content. It replaces the eleven options that follow."


@click.command()
@WEIGHTS
@spec_option("sample", OF_A_SAMPLE_SET, required=False)
@click.option("--solver", type=SOLVERS, help="How to solve for the images.  [default: ddim]")
@click.option("--nfe", type=int, default=50, show_default=True, help="Network evaluations per image.")
@click.option("--grid", type=GRIDS, help="Spacing of the solver's times.  [default: uniform]")
@click.option(
    "--clip-x0",
    type=click.Choice(["auto", "true", "false"]),
    help="Clip each predicted x_0. auto: if the network predicts noise and lambda starts below -6.  "
    "[default: the solver's]",
)
@click.option("--lambda-start", type=float, help="Start where lambda is this, if that is later.  [default: at t_max]")
@click.option("--t-end", type=int, help="Stop at this time, in steps, and predict x_0 there.  [default: at t_min]")
@click.option("--eps-scale", type=float, help="Divide the predicted noise by this.  [default: 1]")
@click.option(
    "--time-shift",
    type=(int, int),
    metavar="WINDOW CUTOFF",
    help="Tell the network the time in this window whose noise fits x, above the cut-off.  [default: its own time]",
)
@click.option(
    "--precision", type=PRECISIONS, help="Of the network's products. A CPU uses float32 for tf32.  [default: tf32]"
)
@click.option("-n", "--count", type=click.IntRange(1), default=64, show_default=True, help="Number of images.")
@click.option("--seed", type=int, default=0, show_default=True, help="Image i depends only on this seed and on i.")
@out_file("A picture of all images (.png), or an archive of PNGs (.zip).")
@BATCH
@COMPILE
@DEVICE
@shared
def sample(
    weights: Path,
    spec: Specification | None,
    solver: str | None,
    nfe: int,
    grid: str | None,
    clip_x0: str | None,
    lambda_start: float | None,
    t_end: int | None,
    eps_scale: float | None,
    time_shift: tuple[int, int] | None,
    precision: str | None,
    count: int,
    seed: int,
    out: Path,
    batch: int | None,
    compiled: bool,
    device: str,
) -> None:
    """Draw images from a trained model.

    Ctrl-C keeps the finished batches. The same command then continues.

    \b
    Example:  etsdm sample --weights RUN/weights.safetensors \\
                --solver dpm-solver-3 --nfe 20 -n 64 --out grid.png
    """
    if spec and solver:
        raise UserError("sample: give either --spec or --solver")
    if out.suffix not in (".png", ".zip"):
        raise UserError(f"{out}: must end in .png, for a picture, or in .zip, for an archive of images")
    if spec is None:
        shift = time_shift and dict(zip(("window", "cutoff"), time_shift, strict=True))
        choices = {"grid": grid, "lambda_start": lambda_start, "eps_scale": eps_scale, "time_shift": shift}
        solved = _solver(solver or "ddim", nfe, clip_x0, t_end, **choices)
        values: dict[str, Any] = {"solver": solved, "samples": count, "precision": precision or "tf32", "seed": seed}
    else:
        values = spec.values
    from etsdm.runtime.parts import folder_of
    from etsdm.sampling.sample import sample as run
    from etsdm.sampling.spec import SampleSpec

    path = out.with_suffix(".manifest.json") if spec is None else out.with_name("manifest.json")
    code, minutes = sampling_code("sample", values), job()["minutes"]
    with recorded(path, [weights], [out], spec or values, device, folder_of(out), code=code) as record:
        options = {"fingerprint": code, "minutes": minutes, "compiled": compiled, "few": spec is None}
        settings = Specification(values, spec and spec.file).read_as(SampleSpec)
        record.update(run(weights, settings, out, device, batch, **options))
    solved = values["solver"]
    say(f"{out}: {values['samples']:,} images by {solved['name']}, {solved['nfe']} evaluations each")


def _solver(name: str, nfe: int, clip_x0: str | None, t_end: int | None, **others: Any) -> dict[str, Any]:
    """Settings of a solver: what the options give, and its defaults."""
    from etsdm.plan.reading import parse_solver

    values = {"name": name, "nfe": [nfe]} | {key: value for key, value in others.items() if value is not None}
    if clip_x0:
        values["clip_x0"] = {"true": True, "false": False}.get(clip_x0, clip_x0)
    if t_end is not None:
        values |= {"t_end": t_end, "denoise": True}
    return parse_solver(values).model_dump(exclude_none=True) | {"nfe": nfe}
