"""What a training run reports on its way: lines of metrics.jsonl and TensorBoard events."""

import json
import shutil
import time
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from etsdm.runtime.files import write_text
from etsdm.runtime.processes import ALONE, Processes

QUARTERS = 4
NEVER = torch.iinfo(torch.int64).max


class Tally:
    """Sums over the images since the last line of metrics, kept on the device so that no step waits."""

    def __init__(self, times: int, device: torch.device) -> None:
        self.times = times
        self.losses = torch.zeros(QUARTERS, dtype=torch.float64, device=device)
        self.counts = torch.zeros(QUARTERS, dtype=torch.float64, device=device)
        self.gradient_norms = torch.zeros((), dtype=torch.float64, device=device)
        self.steps = 0
        self._diverged = torch.tensor(NEVER, device=device)

    def add_losses(self, t: Tensor, losses: Tensor) -> None:
        """Take in the loss of each image (B,) at its time t (B,)."""
        quarter = (t * QUARTERS / self.times).long().clamp(max=QUARTERS - 1).to(self.losses.device, non_blocking=True)
        losses = losses.detach().double()
        self.losses.index_add_(0, quarter, losses)
        self.counts.index_add_(0, quarter, torch.ones_like(losses))

    def add_step(self, gradient_norm: Tensor, images: int) -> None:
        """Take in the gradient norm of the step after `images` images."""
        self.gradient_norms += gradient_norm
        self.steps += 1
        finite = torch.isfinite(self.losses.sum() + gradient_norm)
        self._diverged = torch.where(finite, self._diverged, self._diverged.clamp(max=images))

    def diverged(self) -> int:
        """Images seen before the first step whose loss or gradient was not finite; NEVER if there was none."""
        return int(self._diverged)

    def means(self, processes: Processes = ALONE) -> dict[str, float | None]:
        """Mean loss, overall and by quarter of the timesteps (None for an empty one), and gradient norm."""
        losses, counts = self._sums(processes).tolist()
        quarters = {
            f"loss_q{q}": total / count if count else None
            for q, (total, count) in enumerate(zip(losses, counts, strict=True))
        }
        overall = sum(losses) / sum(counts)
        return {"loss": overall, **quarters, "grad_norm": self.gradient_norms.item() / self.steps}

    def _sums(self, processes: Processes) -> Tensor:
        return processes.total(torch.stack([self.losses, self.counts]))

    def clear(self) -> None:
        """Start the next line."""
        for total in (self.losses, self.counts, self.gradient_norms):
            total.zero_()
        self.steps = 0

    def state_dict(self, processes: Processes = ALONE) -> dict[str, Any]:
        """The sums over all processes, for a saved state."""
        sums = {"sums": self._sums(processes), "gradient_norms": self.gradient_norms}
        return {**sums, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any], processes: Processes = ALONE) -> None:
        """Go on from saved sums: the first process has them, the others start at zero."""
        if processes.rank == 0:
            self.losses.copy_(state["sums"][0])
            self.counts.copy_(state["sums"][1])
        self.gradient_norms.copy_(state["gradient_norms"])
        self.steps = state["steps"]


class MetricsLog:
    """Appends to metrics.jsonl in `states` and to `events`, after cutting both back to `images` images seen.

    The lines grow in the folder of states, because a workflow deletes the outputs of a job that was cut off.
    """

    def __init__(self, states: Path, events: Path, images: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import, and needed by training alone

        if images == 0 and events.exists():
            shutil.rmtree(events)
        self.path = states / "metrics.jsonl"
        cut_back(self.path, images)
        self._file = self.path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(events), purge_step=images + 1)
        self._images = images
        self._clock = time.perf_counter()

    def write(self, images: int, values: dict[str, float | None]) -> None:
        """Add the line of `values` at `images` images seen."""
        now = time.perf_counter()
        speed = (images - self._images) / (now - self._clock)
        self._images, self._clock = images, now
        values = {**values, "images_per_second": round(speed, 2)}
        self._file.write(json.dumps({"images": images, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            if value is not None:
                self._events.add_scalar(name, value, images)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._events.close()


def cut_back(path: Path, images: int) -> None:
    """Drop the lines of metrics.jsonl past `images` images seen, and a last line cut off in mid-write."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    earlier = [line for line in lines if line.endswith("\n") and json.loads(line)["images"] <= images]
    write_text(path, "".join(earlier))
