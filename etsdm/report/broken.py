"""Parts of the report that could not be made: the rest stands, and each says why it is missing."""

import sys
import traceback

from etsdm.runtime.places import without_places


def why_broken(error: Exception) -> str:
    """The error as one line for the report. The whole traceback goes to the log."""
    traceback.print_exc(file=sys.stderr)
    lines = str(error).splitlines()
    return str(without_places(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__))
