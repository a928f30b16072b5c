"""E-TSDM on a network as it is: a hook that changes the time before each call, and nothing else."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from etsdm.library.argument import find
from etsdm.library.times import Times

LOOKS = 100
"""How many calls with times on a GPU are looked at: each look waits for the GPU, and mistakes show at once."""


class Sharing:
    """What `share` has put on a network: the hook itself, and the handle that takes it off again.

    It leaves with the `with` block that it stands in, if it stands in one. Copies of the network and networks that were
    pickled have a Sharing of their own, which `sharing_of` finds.
    """

    def __init__(self, network: nn.Module, times: Times, argument: str | None, index: int | None) -> None:
        self.times = times
        self.argument = argument
        self.index = index
        self._network = type(network).__name__
        self._looks = LOOKS
        self._counted = False
        self._hook = network.register_forward_pre_hook(self, with_kwargs=True)

    def remove(self) -> None:
        """Take the hook off: the network is told its own times again. A second time does nothing."""
        self._hook.remove()

    def __call__(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The arguments of a call with another time.

        Raises:
            TypeError: the call has no time, or it is neither a tensor nor a number.
            ValueError: see `share_timesteps`.
        """
        if self.argument in kwargs:
            return args, {**kwargs, self.argument: self._shared(kwargs[self.argument])}
        if self.index is not None and self.index < len(args):
            shared = self._shared(args[self.index])
            return (*args[: self.index], shared, *args[self.index + 1 :]), kwargs
        raise TypeError(f"the call has no {self._time}: share the network with the argument= or index= that it is at")

    def _shared(self, t: Any) -> Any:
        self.times.check_type(t, self._time)
        if not torch.compiler.is_compiling():
            self._look(t)
        return self.times.of_tensor(t) if isinstance(t, Tensor) else self.times.of_number(t)

    def _look(self, t: Any) -> None:
        """Refuse times that cannot be meant: in every call on a CPU, in the first ones on a GPU, for it waits there."""
        if isinstance(t, Tensor) and t.device.type != "cpu":
            if not self._looks or (t.is_cuda and torch.cuda.is_current_stream_capturing()):
                return
            self._looks -= 1
        self._counted = self.times.check(t, self._time, self._counted)

    @property
    def _time(self) -> str:
        place = f"argument {self.index}" if self.argument is None else repr(self.argument)
        return f"time ({place} of {self._network})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        settings = {**vars(self.times), "argument": self.argument, "index": self.index}
        listed = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        hooks = self._hook.hooks_dict_ref()
        off = "" if hooks and self._hook.id in hooks else "removed: "
        return f"<{off}etsdm.share({self._network}, {listed}): {self.times}>"


def share(
    network: nn.Module,
    t_tilde: int = 100,
    n: int = 5,
    argument: str | None = None,
    index: int | None = None,
    scale: float = 1,
    toward: str = "data",
) -> Sharing:
    """Have `network` told shared timesteps, as E-TSDM does, in every call from now on (Yang et al. 2024, equation 7).

    The network stays as it is: its class, attributes, weights and the keys of its state_dict. The settings are no part
    of its weights: share with the same ones before training and before sampling. A direct call of `network.forward`
    passes by the hook.

    Args:
        network: called as `network(...)` with a time, by name or by position; it may predict and return anything.
        t_tilde: see `share_timesteps`.
        n: see `share_timesteps`.
        argument: the name of the time among its arguments. [default: as the signature of `forward` tells]
        index: the position of the time; the first argument has 0. [default: as the signature of `forward` tells]
        scale: see `share_timesteps`.
        toward: see `share_timesteps`.

    Returns:
        The handle: `remove()` undoes it, and so does the end of a `with` block.

    Raises:
        TypeError: `network` is no torch.nn.Module, such as a pipeline.
        ValueError: impossible settings, a network whose time is not found, or one that is shared already.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{type(network).__name__} is no torch.nn.Module: share the network inside, such as pipeline.unet or "
            "pipeline.transformer"
        )
    times = Times(t_tilde, n, scale, toward)
    before = sharing_of(network)
    if before is not None:
        raise ValueError(f"shared already, {before}: call remove() of its handle, etsdm.sharing_of(network), first")
    return Sharing(network, times, *find(network, argument, index))


def sharing_of(network: nn.Module) -> Sharing | None:
    """The handle of what `share` has put on `network` or on a module inside, or None.

    Args:
        network: any network, such as a copy of one that was shared.
    """
    hooks = (hook for module in network.modules() for hook in module._forward_pre_hooks.values())
    return next((hook for hook in hooks if isinstance(hook, Sharing)), None)
