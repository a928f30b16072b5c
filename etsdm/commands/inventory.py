"""`etsdm inventory`."""

from pathlib import Path

import click

from etsdm.commands._options import out_file
from etsdm.commands._record import say
from etsdm.commands._specification import Specification, SpecificationType
from etsdm.runtime.files import write_json

ORDER = 190


@click.command()
@click.option(
    "--config", type=SpecificationType(None), required=True, help="A resolved configuration: a JSON file, or JSON."
)
@out_file("inventory.json to write.")
def inventory(config: Specification, out: Path) -> None:
    """Write what a configuration asks for, for its report.

    The report reads this file and no configuration.

    \b
    Example:  etsdm inventory --config resolved.json --out results/reports/digits/inventory.json
    """
    from etsdm.plan.plan import make_plan

    write_json(out, make_plan(config.values, "--config", look=False).inventory())
    say(out)
