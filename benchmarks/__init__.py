"""How fast this is beside its peers. One file a measurement, each a command: `python -m benchmarks.sampling --help`."""
