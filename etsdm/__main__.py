"""The command `etsdm`, and `python -m etsdm`."""

import os
import sys

from etsdm.runtime import forkserver


def _open_streams() -> None:
    """Open the standard streams that are closed: the next files would get their numbers, and what is said with them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def main() -> None:
    """Run the command: in a fork of the server where there is one, else here."""
    _open_streams()
    code = forkserver.run(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    try:
        from etsdm import cli
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "etsdm":
            raise
        sys.exit(f"etsdm: error: the package {missing} is missing; the command needs: pip install 'etsdm[benchmark]'")
    cli.main()


if __name__ == "__main__":
    main()
