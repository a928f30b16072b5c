"""Which sizes of images a CPU can train on in hours."""

SMALLEST_FOR_GPU = 32
"""Side in pixels from which on a training takes a CPU days. docs/results has CPUs' runs of smaller images alone."""
