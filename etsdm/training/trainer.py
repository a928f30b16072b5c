"""A network in training: what one step does.

The clock counts images, and all randomness is a function of the seed and that count, so a run that is cut off
and resumed takes the same steps as one that is not: on a CPU, to the last bit.
"""

import math
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from etsdm.data.archive import Pixels
from etsdm.diffusion.losses import error_weights, loss_at, prediction_loss
from etsdm.diffusion.methods import Method
from etsdm.diffusion.seeds import derived_seed
from etsdm.errors import UserError
from etsdm.models.bfloat16 import Bfloat16Copy
from etsdm.models.degradation import low_resolution
from etsdm.models.spec import ModelSpec
from etsdm.models.trained import build_network, initial_network, make_predictor, process_of
from etsdm.runtime.cuda_graph import Graphed
from etsdm.runtime.devices import can_fuse
from etsdm.runtime.finite import check_all_finite
from etsdm.runtime.processes import ALONE, Processes
from etsdm.training.data import Batches, Draws, batch_indices, draw, to_network
from etsdm.training.ema import AveragedWeights
from etsdm.training.metrics import NEVER, Tally
from etsdm.training.snapshots import half_lives

GRAPHED_VALUES = 3 * 2**19
"""Values of the largest batch whose steps are replayed as graphs, 512 images of 32 px: larger ones were not tried."""


class Trainer:
    """A run in the middle of training: network, averages, optimizer, and how many images they have seen.

    Each of `processes` works on its share of every batch, a micro-batch at a time, and all take the same steps.
    `snapshots` holds the digest of each snapshot that was written, by the name of its file.

    Args:
        spec: what to train.
        pixels: the images, uint8, (N, H, W, C), in memory or in a memory map.
        device: where to train.
        processes: those that train together.
        micro_batch: images at a time on the device; None: as many of the share as fit into its memory.
        checkpointing: see `UNet`; a method that takes the network's forward-mode derivative trains without.
        compiled: let torch.compile fuse the network's operations, which moves the last bits of results.
        graphed: on a GPU, replay whole steps as a CUDA graph where that is possible, unless compiled.
        fused: on a GPU, normalise by the kernels of `fused_norm`, which moves the last bits; None: if graphed, for
            launched one by one they take longer than they save.

    Raises:
        UserError: the batch has fewer images than there are processes, the device cannot hold even one, or the initial
            weights cannot be used.
    """

    def __init__(
        self,
        spec: ModelSpec,
        pixels: Pixels,
        device: torch.device,
        processes: Processes = ALONE,
        micro_batch: int | None = None,
        checkpointing: bool = False,
        compiled: bool = False,
        graphed: bool = True,
        fused: bool | None = None,
    ) -> None:
        self.settings = spec.training
        self.seed = spec.seed
        self.pixels = pixels
        self.share = processes.share(self.settings.batch)
        self.device = device
        self.processes = processes
        self.images = 0
        self.factor = spec.factor
        self.batches = Batches(pixels, self.seed, self.settings.batch, self.share, device.type == "cuda")
        if self.settings.batch < processes.count:
            raise UserError(f"a batch of {self.settings.batch} cannot be shared by {processes.count} processes")
        torch.manual_seed(derived_seed(self.seed, "weights", 0))
        self.network = build_network(spec).to(device).train()
        if initial := self.settings.initial:
            self.network.load_state_dict(initial_network(initial, spec).state_dict())
        self.network.checkpointing = checkpointing and can_checkpoint(spec.method)
        if compiled:
            self.network.compile()
        self.parameters = list(self.network.parameters())
        batch = self.settings.batch
        self.averages = {life: AveragedWeights(self.network, batch, life) for life in half_lives(self.settings)}
        self.average = self.averages[self.settings.ema_half_life]
        self.snapshots: dict[str, str] = {}
        self.process = process_of(spec)
        self.predict = make_predictor(self.network, self.process)
        self.tally = Tally(self.process.schedule.timesteps, device)
        self.mixed_precision = self.settings.precision == "bfloat16" and has_bfloat16(device)
        self.micro_batch = micro_batch or self.fitting_micro_batch()
        self.graphed = graphed and not compiled and self.can_be_graphed()
        self.network.fuse(can_fuse(device) and (self.graphed if fused is None else fused))
        self.optimizer = self._new_optimizer()
        self.copy = Bfloat16Copy(self.network) if self.graphed and self.mixed_precision else None
        if self.copy:
            self.predict = make_predictor(self.copy.network, self.process)
        self._whole_step: Graphed | None = None
        self.parallel: DistributedDataParallel | None = None
        if processes.count > 1:
            self.parallel = DistributedDataParallel(
                self.network, forward_sync_buffers=False, gradient_as_bucket_view=True
            )
            self.predict = make_predictor(self.parallel, self.process)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step: it rises linearly to the full rate of the warm-up's last step."""
        seen = self.images + self.settings.batch
        return self.settings.learning_rate * min(1.0, seen / max(self.settings.warmup, 1))

    def step(self) -> None:
        """Take one optimizer step on the next global batch."""
        x0, draws = self._next_batch()
        self._set_rate()
        norm = self._replay(x0, draws) if self.graphed else self._compute(x0, draws)
        self.tally.add_step(norm, self.images)
        self.images += self.settings.batch

    def _next_batch(self) -> tuple[Tensor, Draws]:
        """This process's share of the next global batch: images (B, C, H, W) in [-1, 1], and their random numbers."""
        pixels = self.batches.at(self.images).to(self.device, non_blocking=True)
        shape = (self.settings.batch, pixels.shape[3], *pixels.shape[1:3])
        draws = draw(self.seed, self.images, shape, self.process, self.device).part(self.share)
        return to_network(pixels, draws.flips.to(self.device) if self.settings.flip else None), draws

    def _seed_dropout(self) -> None:
        torch.manual_seed(derived_seed(self.seed, "dropout", self.images) ^ self.processes.rank)

    def _new_optimizer(self) -> torch.optim.AdamW:
        """AdamW with weights that decay. A graph reads the rate from the device."""
        rate = self.settings.learning_rate
        return torch.optim.AdamW(
            self.parameters,
            lr=torch.tensor(rate, device=self.device) if self.graphed else rate,
            betas=self.settings.betas,
            weight_decay=self.settings.weight_decay,
            fused=True,
            capturable=self.graphed,
        )

    def _set_rate(self) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.learning_rate)
            else:
                group["lr"] = self.learning_rate

    def _compute(self, x0: Tensor, draws: Draws) -> Tensor:
        """A step, an operation at a time; returns the norm of the gradient."""
        self._seed_dropout()
        self.optimizer.zero_grad()
        self._accumulate_gradient(x0, draws)
        return self._update()

    def _accumulate_gradient(self, x0: Tensor, draws: Draws) -> None:
        """Add up the gradient of the mean loss over the global batch, a micro-batch at a time."""
        for start in range(0, len(x0), self.micro_batch):
            part = slice(start, start + self.micro_batch)
            with nullcontext() if part.stop >= len(x0) else self._keep_gradient():
                losses = self._backward(x0[part], draws.part(part))
            self.tally.add_losses(draws.t[part], losses)

    def _update(self) -> Tensor:
        """Move the weights along the gradient, and the averages along; returns the norm of the gradient."""
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip, foreach=True)
        self.optimizer.step()
        for average in self.averages.values():
            average.update()
        return norm

    def _keep_gradient(self) -> AbstractContextManager[None]:
        """Inside, gradients add up in this process; the processes average theirs in the pass after it."""
        return self.parallel.no_sync() if self.parallel else nullcontext()

    def _backward(self, x0: Tensor, draws: Draws) -> Tensor:
        """Add the gradient of these images' part of the mean loss over the global batch; return each image's loss."""
        self.predict.context = low_resolution(x0, self.factor) if self.factor else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision):
            losses = prediction_loss(self.predict, x0, draws.eps, draws.t, self.process.penalty, self.process.weight)
        (losses.sum() * self.processes.count / self.settings.batch).backward()
        return losses

    def fitting_micro_batch(self) -> int:
        """This process's share of the batch, halved until its gradient fits into the memory of the device.

        It is tried beside what the optimizer will keep. A CPU is not tried: its memory has no such hard end.

        Raises:
            UserError: not even one image fits.
        """
        size = self.share.stop - self.share.start
        return size if self.device.type == "cpu" else self._halved_until_it_fits(size)

    def _halved_until_it_fits(self, size: int) -> int:
        reserved = [torch.empty_like(parameter) for parameter in self.parameters for _ in self.settings.betas]
        shape = (size, self.pixels.shape[3], *self.pixels.shape[1:3])
        draws = draw(self.seed, 0, shape, self.process, self.device)
        while True:
            try:
                self._backward(draws.eps[:size], draws.part(slice(size)))
                break
            except torch.OutOfMemoryError as error:
                if size == 1:
                    raise UserError(
                        f"{self.device} has too little memory to train this network on a single image; make it smaller"
                    ) from error
                size = -(-size // 2)
                print(f"etsdm: {self.device}: too little memory; trying {size} images at a time", file=sys.stderr)
        del reserved
        self.network.zero_grad()
        return size

    def can_be_graphed(self) -> bool:
        """Whether a step is one forward and one backward pass of the network, small and always alike, on one GPU."""
        size = self.share.stop - self.share.start
        small = size * math.prod(self.pixels.shape[1:]) <= GRAPHED_VALUES
        simple = self.process.penalty is None and not self.network.checkpointing
        alone = self.device.type == "cuda" and self.processes.count == 1
        return alone and small and simple and self.micro_batch >= size

    def _replay(self, x0: Tensor, draws: Draws) -> Tensor:
        """A step as one CUDA graph; returns the norm of the gradient."""
        alpha, sigma = self.predict.levels(draws.t, x0)
        counts = error_weights(self.process.prediction, alpha, sigma, self.process.weight)
        inputs = (
            x0,
            draws.eps,
            alpha,
            sigma,
            self.predict.conditions(draws.t, x0),
            torch.ones_like(alpha) if counts is None else counts,
        )
        self._whole_step = self._whole_step or self._capture(inputs)
        if self._whole_step is None:
            return self._compute(x0, draws)
        self._seed_dropout()
        losses, norm = self._whole_step(*inputs)
        self.tally.add_losses(draws.t, losses)
        return norm

    def _capture(self, inputs: tuple[Tensor, ...]) -> Graphed | None:
        """The graph of a step, which leaves weights and optimizer as they were; None where memory is too small."""
        weights = [self.network.state_dict(), *(average.weights for average in self.averages.values())]
        kept = [tensor for named in weights for tensor in named.values()]
        before = [tensor.clone() for tensor in kept]
        state = {key: {name: value.clone() for name, value in of.items()} for key, of in self.optimizer.state.items()}
        try:
            return Graphed(self._graphable, *inputs)
        except torch.OutOfMemoryError:
            print(f"etsdm: {self.device}: too little memory for graphs; training without", file=sys.stderr)
            self.graphed = False
            self.network.fuse(False)
            self.copy, self.predict = None, make_predictor(self.network, self.process)
            return None
        finally:
            torch._foreach_copy_(kept, before)
            for key, of in self.optimizer.state.items():
                for name, value in of.items():
                    value.copy_(state[key][name]) if key in state else value.zero_()

    def _graphable(
        self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor, condition: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A step on tensors that are on the device: the loss of each image, and the norm of the gradient."""
        self.optimizer.zero_grad()
        if self.copy:
            self.copy.update()
        self.predict.context = low_resolution(x0, self.factor) if self.factor else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed_precision, cache_enabled=False):
            losses = loss_at(self.predict, x0, eps, alpha, sigma, condition, counts)
        (losses.sum() / self.settings.batch).backward()
        if self.copy:
            self.copy.collect()
        return losses.detach(), self._update()

    def check_finite(self) -> None:
        """Raise UserError, naming step and batch, if a loss or a gradient so far was not a number or infinite."""
        seen = self.processes.least(self.tally.diverged())
        if seen == NEVER:
            return
        batch = self.settings.batch
        numbers = batch_indices(len(self.pixels), self.seed, seen, batch)
        shown = ", ".join(map(str, numbers[:8])) + (", ..." if batch > 8 else "")
        raise UserError(
            f"training diverged: the loss or its gradient was not finite in step {seen // batch + 1}, after {seen:,} "
            f"images; its batch: images {shown} of the archive; lower training.learning_rate, lengthen "
            "training.warmup, or use training.precision: float32"
        )

    def check_weights(self) -> None:
        """Raise UserError if the averaged weights are not finite: a step can overflow after a loss that was finite."""
        check_all_finite(
            self.average.weights,
            f"training diverged: the averaged weights after {self.images:,} images",
            "lower training.learning_rate, or lengthen training.warmup",
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs, in any number of processes."""
        return {
            "images": self.images,
            "network": self.network.state_dict(),
            "averages": {half_life: average.weights for half_life, average in self.averages.items()},
            "snapshots": self.snapshots,
            "optimizer": self.optimizer.state_dict(),
            "tally": self.tally.state_dict(self.processes),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.images = state["images"]
        self.network.load_state_dict(state["network"])
        for half_life, average in self.averages.items():
            average.load(state["averages"][half_life])
        self.snapshots = state["snapshots"]
        own = [{key: group[key] for key in ("lr", "capturable")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, values in zip(self.optimizer.param_groups, own, strict=True):
            group.update(values)
        self._whole_step = None  # it has captured the memory of what was there before
        self.tally.load_state_dict(state["tally"], self.processes)


def can_checkpoint(method: Method) -> bool:
    """Whether the training of `method` can compute activations again; says on stderr where it cannot."""
    if not method.keeps_activations:
        return True
    print(
        f"etsdm: {method.name} in forward mode keeps all activations; training without checkpointing",
        file=sys.stderr,
    )
    return False


def has_bfloat16(device: torch.device) -> bool:
    """Whether `device` computes in bfloat16; says on stderr where it does not."""
    if device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False):
        return True
    print(f"etsdm: {device} has no bfloat16; training in float32", file=sys.stderr)
    return False
