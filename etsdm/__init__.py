"""E-TSDM benchmark: Lipschitz singularities of diffusion models, measured and fixed.

As a library, loaded with torch when it is first asked for:

- `share(network)`: the network is told shared timesteps from now on, in training and in sampling.
- `share_timesteps(t)`: the timesteps themselves, for a place of your own.
- `step_conditions(scheduler)`: which of a scheduler's steps share a condition.
- `sharing_of(network)`: the handle, a `Sharing`, of a network that is shared.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etsdm.library import Sharing, share, share_timesteps, sharing_of, step_conditions

__all__ = ["Sharing", "share", "share_timesteps", "sharing_of", "step_conditions"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from etsdm import library

    return getattr(library, name)


def __dir__() -> list[str]:
    return __all__
