"""Where a network takes its time: the name of the argument, and its position."""

import inspect
from collections.abc import Mapping
from inspect import Parameter

from torch import nn

NAMES = ("timestep", "timesteps", "t", "time", "time_cond", "noise_labels")
"""What the arguments for time are called in diffusers, guided-diffusion, DiT, torchcfm, score_sde and EDM."""
INSIDE = ("_orig_mod", "module", "base_model", "model")
"""Where wrappers keep their network: torch.compile, DistributedDataParallel, PEFT."""
BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def find(network: nn.Module, argument: str | None, index: int | None) -> tuple[str | None, int | None]:
    """Name and position of the time among the arguments of `network`; what is not given is read from its signature.

    Args:
        network: a network, or a wrapper around one.
        argument: the name, if it is known.
        index: the position, if it is known; the first argument of a call has 0.

    Returns:
        The name, or None if the time cannot be given by name, and the position, or None if it cannot be by position.

    Raises:
        ValueError: the signature does not tell, or contradicts what is given.
    """
    parameters = signature_of(network)
    by_name = [name for name, parameter in parameters.items() if parameter.kind in BY_NAME]
    placed = [name for name, parameter in parameters.items() if parameter.kind in BY_POSITION]
    kinds = {parameter.kind for parameter in parameters.values()}
    head = f"{type(network).__name__}.forward({', '.join(parameters)})"
    if argument is None and index is None:
        argument = _by_usual_name(by_name, head)
    if argument is None:
        assert index is not None
        return _at(index, by_name, placed, Parameter.VAR_POSITIONAL in kinds, head), index
    if argument in by_name:
        place = placed.index(argument) if argument in placed else None
        if index not in (None, place):
            raise ValueError(f"{head} has {argument!r} at index {place}, not {index}: give one of the two alone")
        return argument, place
    if Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"{head} has no argument {argument!r}")
    return argument, index


def signature_of(network: nn.Module) -> Mapping[str, Parameter]:
    """The arguments of a network's `forward`; those of the network inside a wrapper that hands on whatever it gets."""
    parameters = inspect.signature(network.forward).parameters
    if any(parameter.kind in BY_POSITION for parameter in parameters.values()):
        return parameters
    inside = (getattr(network, name, None) for name in INSIDE)
    return next((signature_of(module) for module in inside if isinstance(module, nn.Module)), parameters)


def _by_usual_name(by_name: list[str], head: str) -> str:
    usual = [name for name in NAMES if name in by_name]
    if len(usual) == 1:
        return usual[0]
    problem = (
        f"several arguments that may be the time ({', '.join(usual)})" if usual else "no argument with a usual name"
    )
    raise ValueError(
        f"{head} has {problem}: give the time's name or its position, as argument='timestep' or index=1 "
        f"(usual names: {', '.join(NAMES)})"
    )


def _at(index: int, by_name: list[str], placed: list[str], more: bool, head: str) -> str | None:
    """The name of the argument at a position, if it can be given by name."""
    if index < 0:
        raise ValueError(f"index = {index} must be 0 or more")
    if index < len(placed):
        return placed[index] if placed[index] in by_name else None
    if not more:
        raise ValueError(f"{head} has no argument at index {index}")
    return None
