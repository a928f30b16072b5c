"""E-TSDM benchmark: Lipschitz singularities of diffusion models, measured and fixed.

As a library: `etsdm.ETSDM` and `etsdm.share_timesteps`, loaded with torch when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etsdm.library import ETSDM, share_timesteps

__all__ = ["ETSDM", "share_timesteps"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etsdm import library

    return getattr(library, name)
