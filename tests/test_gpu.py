"""What only a GPU can show: that it trains as a CPU does, faster. `make test-gpu` runs these in one process."""

import socket
from copy import deepcopy

import numpy as np
import pytest
import test_fused_norm as fused
import torch
from on_gpu import BATCH, DEVICE, SPEC, STEPS, changed, finished, python, relative, slopes
from torch import Tensor
from typed import build_network, new_trainer

from etsdm.runtime.devices import set_tf32, without_tf32
from etsdm.training.trainer import Trainer

pytestmark = pytest.mark.gpu


def losses(trainer: Trainer, steps: int = STEPS) -> list[float]:
    """The loss of each of the next steps."""
    values = []
    for _ in range(steps):
        trainer.tally.clear()
        trainer.step()
        values.append(trainer.tally.means()["loss"])
    return values


@pytest.fixture(autouse=True)
def rounding() -> None:
    """As every command of the package begins."""
    set_tf32()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_fused_kernels_compute_what_the_formulas_say_in_float64(kind: torch.dtype) -> None:
    for case in fused.CASES:
        fused.check(*case, kind, device=DEVICE)
    for shape in fused.MAPS:
        fused.check_maps(kind, *shape, device=DEVICE)


@pytest.mark.parametrize("scale_shift", [False, True])
def test_a_fused_network_is_the_network(scale_shift: bool) -> None:
    with without_tf32():
        fused.check_network(scale_shift, resample=scale_shift, device=DEVICE)


@pytest.mark.parametrize("ways", [{"fused": True, "graphed": False}, {"fused": False}, {"fused": True}])
def test_a_fused_and_graphed_network_trains_as_an_eager_one(ways: dict[str, bool]) -> None:
    """Products are in float32 here, so that rounding hides nothing."""
    with without_tf32():
        eager = losses(new_trainer(SPEC, slopes(), DEVICE, fused=False, graphed=False))
        trainer = new_trainer(SPEC, slopes(), DEVICE, **ways)
        assert trainer.can_be_graphed()
        assert losses(trainer) == pytest.approx(eager, rel=1e-3)
    assert eager[-1] < 0.97 * eager[0]


def test_bfloat16_loses_little() -> None:
    float32, bfloat16 = (
        losses(new_trainer(changed(precision=precision), slopes(), DEVICE)) for precision in ("float32", "bfloat16")
    )
    assert float32 != bfloat16
    assert np.mean(bfloat16) == pytest.approx(np.mean(float32), rel=0.02)


@pytest.mark.parametrize("graphed", [False, True])
def test_dropout_follows_the_seed_and_the_position(graphed: bool) -> None:
    spec = changed(dropout=0.1)
    trainers = [new_trainer(spec, slopes(), DEVICE, graphed=graphed) for _ in range(2)]
    first, second = map(losses, trainers)
    assert np.isfinite(first).all()
    assert first == pytest.approx(second, rel=1e-3)
    # The same images and times, after other seeds of PyTorch's generator: those of two positions.
    x = torch.ones(BATCH, 1, 8, 8, device=DEVICE).contiguous(memory_format=torch.channels_last)
    t = torch.full((BATCH,), 50.0, device=DEVICE)
    with torch.no_grad():
        for parameter in trainers[0].parameters:
            parameter.add_(0.05)  # away from zero, so that dropout reaches the output
    outputs = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        outputs.append(trainers[0].network(x, t).detach().clone())
    assert relative(outputs[1], outputs[0]) < 1e-4
    assert relative(outputs[2], outputs[0]) > 1e-2


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_resumed_training_goes_on_as_if_nothing_had_happened(dropout: float) -> None:
    spec, seen = changed(dropout=dropout), {}

    def watched(name: str) -> Trainer:
        trainer = new_trainer(spec, slopes(), DEVICE)
        assert trainer.can_be_graphed()
        read = trainer.batches.at
        seen[name] = []

        def at(position: int) -> Tensor:
            seen[name].append((position, read(position).clone()))
            return seen[name][-1][1]

        trainer.batches.at = at
        return trainer

    straight, begun, resumed = watched("straight"), watched("begun"), watched("resumed")
    for _ in range(6):
        straight.step()
    for _ in range(3):
        begun.step()
    resumed.load_state_dict(deepcopy(begun.state_dict()))
    for _ in range(3):
        resumed.step()
    for one, other in zip(seen["straight"], seen["begun"] + seen["resumed"], strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])
    assert resumed.images == straight.images == 6 * BATCH
    assert resumed.tally.means() == pytest.approx(straight.tally.means(), rel=1e-3)
    for name, weights in straight.average.weights.items():
        torch.testing.assert_close(resumed.average.weights[name], weights, atol=1e-3, rtol=1e-3)


def test_a_network_trained_as_a_graph_evaluates_other_batches() -> None:
    trainer = new_trainer(SPEC, slopes(), DEVICE)
    losses(trainer)
    eager = build_network(SPEC).to(DEVICE).eval()
    eager.load_state_dict(trainer.network.state_dict())
    network = trainer.network.eval()
    with torch.no_grad(), without_tf32():
        for batch in (BATCH, 1, 5):
            x = torch.randn(batch, 1, 8, 8, device=DEVICE)
            t = torch.linspace(0, 99, batch, device=DEVICE)
            assert relative(network(x, t), eager(x, t)) < 1e-4
    network.train()
    assert np.isfinite(losses(trainer, 2)).all()


def test_a_network_too_large_for_one_pass_trains_in_several() -> None:
    with without_tf32():
        whole, parts = (losses(new_trainer(SPEC, slopes(), DEVICE, micro_batch=size)) for size in (None, 5))
    assert parts == pytest.approx(whole, rel=1e-3)


def test_a_compiled_network_trains_as_an_eager_one_and_is_not_graphed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_capture", None)
    spec = changed(multipliers=[1], attention=[], heads=1)
    eager = losses(new_trainer(spec, slopes(), DEVICE, fused=False, graphed=False), 3)
    compiled = losses(new_trainer(spec, slopes(), DEVICE, compiled=True), 3)
    assert compiled == pytest.approx(eager, rel=1e-2)


DISTRIBUTED = """
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
import test_gpu as gpu
from etsdm.runtime.devices import pick_device, without_tf32
from etsdm.runtime.processes import Processes, joined
from etsdm.training import trainer as module

device = pick_device("cuda")
with joined() as group, without_tf32():
    assert dist.is_initialized() and dist.get_world_size() == 1
    assert "nccl" in str(dist.get_backend_config()), dist.get_backend_config()
    first = Processes(group.rank, 2)
    assert first.any(True) and first.least(7) == 7 and first.agree("word") == "word"
    assert float(first.total(torch.ones(1, device=device))) == 1
    first.meet()
    values = []
    for parallel in (DistributedDataParallel, lambda network, **_: network):
        module.DistributedDataParallel = parallel
        trainer = module.Trainer(gpu.SPEC, gpu.slopes(), device, first)
        values.append(gpu.losses(trainer, 2))
        trainer.check_finite()
    print(*values[0], *values[1])
"""


def test_processes_train_together_through_nccl() -> None:
    """A group of one, as the first of two processes, which trains on its half of each batch.

    NCCL refuses one GPU to two processes of a group. `joined` takes a WORLD_SIZE of "1" for a process alone; PyTorch
    reads "01" as 1, too.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = python(
        DISTRIBUTED,
        RANK="0",
        LOCAL_RANK="0",
        WORLD_SIZE="01",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        GLOO_SOCKET_IFNAME="lo",
        NCCL_SOCKET_IFNAME="lo",
    )
    out, err = finished(process)
    assert process.returncode == 0, err
    first, second, *alone = map(float, out.split())
    assert [first, second] == pytest.approx(alone, rel=1e-4)
