"""`python -m etsdm`: the command line."""

from etsdm.cli import main

main()
