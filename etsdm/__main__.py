"""The command `etsdm`, and `python -m etsdm`."""

import sys

from etsdm import forkserver


def main() -> None:
    """Run the command: in a fork of the server where there is one, else here."""
    code = forkserver.run(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    from etsdm import cli

    cli.main()


if __name__ == "__main__":
    main()
