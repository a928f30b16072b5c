"""Methods: what each changes about the diffusion process, one file each with its settings and limits.

Each file has a class of settings, derived from `Method`, and `apply(process, settings)`, which gives the process as the
method changes it. Nothing here imports torch when it is loaded: a plan reads the settings.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from etsdm.config.registry import OneOf, Registry
from etsdm.config.strict import distinct
from etsdm.diffusion.methods.method import Method

METHODS = Registry("etsdm.diffusion.methods", "method", Method)
OneMethod = Annotated[Method, OneOf(METHODS)]
Methods = Annotated[list[OneMethod], Field(min_length=1), AfterValidator(distinct)]

__all__ = ["METHODS", "Method", "Methods", "OneMethod"]
