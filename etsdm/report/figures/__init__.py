"""Figures of the report, one module an experiment or a kind of figure. The same results give the same bytes."""
