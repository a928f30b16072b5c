"""`etsdm doctor`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etsdm.commands._options import FILE, RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etsdm.doctor import Line

ORDER = 4


@click.command()
@click.argument("config", type=FILE, required=False)
@RESULTS
@click.option("--json", "as_json", is_flag=True, help="Print JSON, without names of hosts and folders, to be shared.")
def doctor(config: Path | None, results: Path, as_json: bool) -> None:
    """Say what this machine has, and what a configuration lacks.

    Each line has a mark: fine, missing, or no matter, which means that it is not there and not needed. The exit code is
    1 if something is missing.

    \b
    Example:  etsdm doctor config/digits.yaml
              etsdm doctor --json
    """
    from etsdm.doctor import examine

    lines = [*_printed(examine(config, results), not as_json)]
    can_run = all(line.mark != "missing" for line in lines)
    if as_json:
        click.echo(_shared(lines, can_run))
    else:
        click.echo(f"{config or 'this machine'}: {'can run' if can_run else 'something is missing'}")
    sys.exit(0 if can_run else 1)


def _printed(lines: "Iterable[Line]", aloud: bool) -> "Iterable[Line]":
    """The same lines, each printed as soon as it is known."""
    for line in lines:
        if aloud:
            click.echo(f"{line.mark:9}  {line.what:28}  {line.text}")
            if line.cure and line.mark != "fine":
                click.echo(f"{'':9}  {'':28}  to get it: {line.cure}")
        yield line


def _shared(lines: "list[Line]", can_run: bool) -> str:
    """JSON that says nothing of folders and hosts."""
    from dataclasses import asdict

    from etsdm.runtime.places import without_home, without_places

    values = [{key: without_home(text) for key, text in asdict(line).items()} for line in lines]
    return json.dumps({"can_run": can_run, "lines": without_places(values)}, indent=1, ensure_ascii=False)
