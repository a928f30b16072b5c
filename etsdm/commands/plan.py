"""`etsdm plan`."""

from pathlib import Path

import click

from etsdm.commands._options import CONFIG, DEVICE

ORDER = 20


@click.command()
@CONFIG
@click.option("--measure", is_flag=True, help="Measure the rates of this machine; ignore those of the configuration.")
@DEVICE
def plan(config: Path, measure: bool, device: str) -> None:
    """Show what a configuration takes: jobs, hours, disk, files.

    Counts jobs per rule, and everything else per experiment. The data need not exist. With --measure, a few training
    steps and evaluations of each network are timed.

    \b
    Example:  etsdm plan config/paper.yaml
    """
    from etsdm.cost.describe import describe
    from etsdm.cost.rates import given_rates, measure_rates
    from etsdm.plan.plan import load_plan

    planned = load_plan(config, look=False)
    click.echo(describe(planned, measure_rates(planned, device) if measure else given_rates(planned)))
