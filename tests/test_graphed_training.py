"""A training step as one CUDA graph. A stand-in for graphs shows on a CPU what a step reads, writes and undoes."""

from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from test_gpu import BATCH, SPEC, changed, losses, slopes
from torch import Tensor
from typed import build_network, new_trainer

from etsdm.models.bfloat16 import Bfloat16Copy
from etsdm.runtime.cuda_graph import Function
from etsdm.sampling import replay
from etsdm.training import trainer as module
from etsdm.training.trainer import Trainer

CPU = torch.device("cpu")


class Replayed:
    """Calls a function once before the first use and keeps its inputs in one place, as a graph does."""

    def __init__(self, function: Function, *inputs: Tensor) -> None:
        self.inputs, self.function = [tensor.clone() for tensor in inputs], function
        function(*self.inputs)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        torch._foreach_copy_(self.inputs, list(inputs))
        return self.function(*self.inputs)


def adamw(*args: Any, kind: type, lr: Any, capturable: bool, **options: Any) -> torch.optim.Optimizer:
    """AdamW with its rate in a tensor, which a graph must have, and a CPU may."""
    return kind(*args, lr=torch.as_tensor(lr), **options)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Graphed", Replayed)
    monkeypatch.setattr(torch.optim, "AdamW", partial(adamw, kind=torch.optim.AdamW))


def trainers(spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch, graphed: int) -> list[Trainer]:
    """One that takes its steps an operation at a time, and some that replay theirs."""
    eager = new_trainer(spec, slopes(), CPU)
    monkeypatch.setattr(Trainer, "can_be_graphed", lambda _: True)
    return [eager, *(new_trainer(spec, slopes(), CPU) for _ in range(graphed))]


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_replayed_steps_are_the_same_steps(monkeypatch: pytest.MonkeyPatch, precision: str, dropout: float) -> None:
    """Across a saved state, too, though the step is captured again then: to the last bit."""
    spec = changed(precision=precision, dropout=dropout)
    eager, begun, resumed = trainers(spec, monkeypatch, 2)
    assert (begun.copy is not None) == (precision == "bfloat16")
    expected, first_losses = losses(eager, 6), losses(begun, 3)
    losses(resumed, 1)
    resumed.load_state_dict(deepcopy(begun.state_dict()))
    assert first_losses + losses(resumed, 3) == expected
    assert resumed.images == 6 * BATCH
    for ours, theirs in zip(resumed.average.weights.values(), eager.average.weights.values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.usefixtures("stand_in")
def test_a_step_that_memory_is_too_small_to_capture_is_taken_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class TooLarge(Replayed):
        def __init__(self, function: Function, *inputs: Tensor) -> None:
            super().__init__(function, *inputs)
            raise torch.OutOfMemoryError

    monkeypatch.setattr(module, "Graphed", TooLarge)
    eager, refused = trainers(changed(precision="bfloat16"), monkeypatch, 1)
    assert losses(refused, 3) == losses(eager, 3)
    assert capsys.readouterr().err.count("too little memory for graphs") == 1


def test_a_bfloat16_copy_has_the_answers_and_gradients_of_autocast() -> None:
    network = build_network(changed(dropout=0.0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    copy = Bfloat16Copy(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.01)
    copy.update()
    x, t = torch.randn(4, 1, 8, 8), torch.tensor(np.linspace(0, 99, 4), dtype=torch.float32)
    answers = []
    for one in (network, copy.network):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            output = one(x, t)
        output.square().sum().backward()
        if one is copy.network:
            assert all(parameter.grad is None for name, parameter in network.named_parameters() if "qkv" in name)
            copy.collect()
        answers.append([output.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
    for ours, reference in zip(*answers, strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, reference)
    layers = {name.split(".")[0] for name, parameter in copy.network.named_parameters() if parameter.dtype != x.dtype}
    assert layers == {"input_blocks", "middle_block", "output_blocks"}


def test_replayed_evaluations_are_those_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """For batches of the size of the first; others are evaluated without a graph, and no answer is overwritten."""
    monkeypatch.setattr(replay, "Graphed", Replayed)
    network = build_network(SPEC).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    evaluate = replay.Replay(network, "float32")
    with torch.inference_mode():
        batches = [(torch.randn(count, 1, 8, 8), torch.linspace(0, 99, count)) for count in (4, 4, 2, 4)]
        outputs = [evaluate(*batch) for batch in batches]
        for output, batch in zip(outputs, batches, strict=True):
            torch.testing.assert_close(output, network(*batch))
