"""Data sets in: every source becomes one archive of PNG images."""
