"""A job of the workflow, as estimates count it."""

from typing import NamedTuple

from etsdm.plan.runs import Run


class Job(NamedTuple):
    """A job of the workflow. Its rule and its path tell it from all others."""

    rule: str
    path: str
    run: Run
    encoder: Run | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Equal for equal jobs."""
        return self.rule, self.path
