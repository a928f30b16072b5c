"""`etsdm init`."""

import re
from pathlib import Path

import click

from etsdm.commands._options import DEVICE, FILE
from etsdm.commands._record import say
from etsdm.errors import UserError

ORDER = 6
OPENED = 64
"""Pictures that are opened, as by `etsdm check`."""
HEAD = "Written by `etsdm init`. Every key is explained in config/README.md."


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--minutes", type=click.FloatRange(1), default=30, show_default=True, help="That it may take, in all.")
@click.option("--out", type=FILE, default=Path("config/mine.yaml"), show_default=True, help="File to write.")
@DEVICE
def init(folder: Path, minutes: float, out: Path, device: str) -> None:
    """Write a first configuration for your pictures.

    They lie in a folder, a zip or a tar; sub-folders, if each picture lies in one, are the labels. Opens 64 of them,
    times a few steps of small networks on this machine, and says what it has decided and what to expect.

    \b
    Example:  etsdm init my-images --minutes 30
    """
    if out.exists():
        raise UserError(f"{out}: is there already; remove it, or give another --out")
    from etsdm.cost.first.choose import choose
    from etsdm.cost.first.measure import measure
    from etsdm.cost.first.words import expectations, reasons
    from etsdm.data.look import look, survey
    from etsdm.plan.plan import make_plan
    from etsdm.runtime.files import write_text

    pictures = survey(folder, OPENED)
    choice = choose(_name(out), pictures, measure(pictures, device), minutes)
    sentences = [*reasons(choice), *expectations(choice)]
    plan = make_plan(choice.draft.values(), str(out))
    for name, dataset in plan.config.datasets.items():
        opened = look(name, dataset.model_dump(), OPENED)
    write_text(out, choice.draft.text(HEAD, *sentences))
    say(*pictures.remarks, *opened, *sentences, f"{out}: written; next: make reproduce CONFIG={out}")


def _name(out: Path) -> str:
    """A benchmark's name, like the file's."""
    return re.sub("[^a-z0-9._-]+", "-", out.stem.lower()).strip("._-")[:60] or "mine"
