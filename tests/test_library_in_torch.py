"""Shared networks in what PyTorch does with networks: copies, compilation, several processes, less memory."""

import copy
import io
import pickle

import pytest
import torch
from torch import distributed, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

import etsdm

X, T, TOLD = torch.ones(3, 1), torch.tensor([7, 37, 137]), [0, 20, 137]


class Network(nn.Module):
    """Gives back the time that it is told, through a weight of 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x, timestep):
        return self.weight * timestep[:, None].to(x.dtype)


def evaluated_at(network, t=T):
    """The times that a network is told, by position and by name alike."""
    by_position, by_name = (call.flatten().tolist() for call in (network(X, t), network(X, timestep=t)))
    assert by_position == by_name
    return by_position


@pytest.fixture
def network():
    shared = Network()
    etsdm.share(shared)
    return shared


def saved_whole(network):
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), saved_whole])
def test_a_copy_is_shared_by_a_handle_of_its_own(network, copied):
    other = copied(network)
    handle = etsdm.sharing_of(other)
    assert evaluated_at(other) == TOLD and handle is not etsdm.sharing_of(network)
    assert repr(handle) == repr(etsdm.sharing_of(network))
    handle.remove()
    assert evaluated_at(other) == T.tolist() and evaluated_at(network) == TOLD


def test_weights_are_those_of_the_network_alone(network):
    unshared = Network()
    unshared.load_state_dict(network.state_dict(), strict=True)
    assert list(network.state_dict()) == ["weight"] and repr(network) == repr(unshared)
    assert evaluated_at(unshared) == T.tolist()


def test_an_average_of_weights_is_shared(network):
    assert evaluated_at(AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))) == TOLD


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_a_compiled_network_is_one_graph(network, dtype):
    assert evaluated_at(torch.compile(network, fullgraph=True, backend="eager"), T.to(dtype)) == TOLD
    network.compile(fullgraph=True, backend="eager")
    assert evaluated_at(network, T.to(dtype)) == TOLD


def test_a_compiled_network_can_be_shared_and_its_times_are_looked_at():
    compiled = torch.compile(Network(), fullgraph=True, backend="eager")
    assert evaluated_at(compiled) == T.tolist()
    handle = etsdm.share(compiled)
    with pytest.raises(ValueError, match="give scale=1000"):
        compiled(X, torch.tensor([0.2, 0.5, 0.9]))
    assert evaluated_at(compiled) == TOLD and (handle.argument, handle.index) == ("timestep", 1)
    handle.remove()
    assert evaluated_at(compiled) == T.tolist()


def test_sharing_and_its_end_reach_a_network_that_is_compiled_already():
    network = Network()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    assert evaluated_at(compiled) == T.tolist()
    with etsdm.share(network):
        assert evaluated_at(compiled) == TOLD
    assert evaluated_at(compiled) == T.tolist()


def test_a_shared_network_can_be_exported(network):
    exported = torch.export.export(network, (X, T)).module()
    assert exported(X, T).flatten().tolist() == TOLD


def test_numbers_stay_numbers_in_a_graph():
    network = nn.Module()
    network.forward = lambda x, t: x * t
    etsdm.share(network, index=1)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    assert [compiled(X, t)[0].item() for t in (37, 99, 137, 59.5)] == [20, 80, 137, 40]


@pytest.mark.parametrize("outside", [False, True])
def test_processes_that_train_together_share(tmp_path, outside):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        network = Network()
        if outside:
            parallel = nn.parallel.DistributedDataParallel(network)
            etsdm.share(parallel)
        else:
            etsdm.share(network)
            parallel = nn.parallel.DistributedDataParallel(network)
        assert evaluated_at(parallel) == TOLD
        parallel(X, T).sum().backward()
        assert network.weight.grad.item() == sum(TOLD)
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputed_activations_are_of_the_same_times(network, use_reentrant):
    x = X.clone().requires_grad_()
    output = checkpoint(lambda x, t: network(x, t) * x, x, T, use_reentrant=use_reentrant)
    output.sum().backward()
    assert output.flatten().tolist() == TOLD
    assert network.weight.grad.item() == sum(TOLD) and x.grad.flatten().tolist() == TOLD


def test_the_derivative_in_time_is_zero_where_it_is_shared(network):
    times = T.float()
    _, slope = torch.func.jvp(lambda t: network(X, t), (times,), (torch.ones(3),))
    assert slope.flatten().tolist() == [0, 0, 1]


def test_weights_from_outside_are_used_with_the_hook(network):
    doubled = {"weight": torch.full((1,), 2.0)}
    assert torch.func.functional_call(network, doubled, (X, T)).flatten().tolist() == [0, 40, 274]


class Adapter(nn.Module):
    """Hands on whatever it gets, as PEFT's models and DistributedDataParallel do."""

    def __init__(self, model):
        super().__init__()
        self.base_model = model

    def forward(self, *positional, **named):
        return self.base_model(*positional, **named)


def test_a_wrapper_is_looked_through_for_the_name(network):
    assert evaluated_at(Adapter(network)) == TOLD
    wrapper = Adapter(Adapter(Network()))
    etsdm.share(wrapper)
    assert evaluated_at(wrapper) == TOLD
