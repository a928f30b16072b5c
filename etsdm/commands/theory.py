"""`etsdm theory`."""

from pathlib import Path

import click

from etsdm.commands._options import out_file
from etsdm.commands._record import code_of, recorded, say
from etsdm.commands._specification import Specification, spec_option
from etsdm.runtime.files import write_json

ORDER = 180


@click.command()
@spec_option("theory")
@out_file("result.json to write.")
def theory(spec: Specification, out: Path) -> None:
    """Compute what is known exactly, on a mixture of Gaussians.

    The result holds d eps/dt per schedule and time, and E-TSDM's error beside its bound.

    \b
    Example:  etsdm theory --spec results/theory/0a1b2c3d/spec.json --out result.json
    """
    from etsdm.diffusion.schedules import SCHEDULES
    from etsdm.probes.theory import TheorySpec
    from etsdm.probes.theory import theory as run

    code = code_of("theory", *map(SCHEDULES.module, spec.values["schedules"]))
    with recorded(out.with_name("manifest.json"), [], [out], spec, code=code):
        write_json(out, run(spec.read_as(TheorySpec)))
    say(out)
