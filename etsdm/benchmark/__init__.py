"""Typed configuration, and the plan that turns it into runs."""
