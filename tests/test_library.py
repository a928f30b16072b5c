"""E-TSDM in other people's networks: against this project's own condition, and what is refused."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import process_with

import etsdm
from etsdm.library.share import LOOKS
from etsdm.library.times import Times


def own_condition(t_tilde=100, n=5):
    """f of the method `etsdm` as a benchmark trains it."""
    diffusion = {"schedule": "linear", "timesteps": 1000, "time": "discrete", "tau_min": 1e-3, "prediction": "eps"}
    return process_with(diffusion, {"name": "etsdm", "t_tilde": t_tilde, "n": n}).condition


@settings(deadline=None)
@given(
    st.integers(0, 999) | st.integers(0, 9990).map(lambda tenths: tenths / 10),
    st.sampled_from([(100, 5), (100, 1), (100, 100), (60, 4), (1000, 8)]),
)
def test_shared_timesteps_are_those_of_the_benchmark(t, setting):
    condition = etsdm.share_timesteps(torch.tensor([t, 999], dtype=torch.float64), *setting)
    assert condition.tolist() == own_condition(*setting)(np.array([t, 999])).tolist()


@pytest.mark.parametrize(
    "dtype", [torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_shape_and_type_stay(dtype):
    t = torch.tensor([[0, 19, 20], [99, 100, 101]], dtype=dtype)
    condition = etsdm.share_timesteps(t)
    assert condition.dtype == dtype and condition.tolist() == [[0, 0, 20], [80, 100, 101]]


@pytest.mark.parametrize(("t", "expected"), [(59, 40), (59.5, 40.0), (150.5, 150.5), (0, 0), (np.int64(99), 80)])
def test_a_number_stays_a_number(t, expected):
    shared = etsdm.share_timesteps(t)
    assert shared == expected and type(shared) is type(t)


def test_a_tensor_without_dimensions_stays_one_and_an_empty_one_too():
    assert etsdm.share_timesteps(torch.tensor(59)).shape == ()
    assert etsdm.share_timesteps(torch.empty(0)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_time_from_0_to_1_is_shared_at_the_same_steps(dtype):
    steps = torch.arange(1000, dtype=torch.float64)
    condition = etsdm.share_timesteps((steps / 1000).to(dtype), scale=1000)
    assert torch.equal(condition, (etsdm.share_timesteps(steps) / 1000).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_time_from_noise_to_data_is_shared_at_the_same_steps(dtype):
    steps = torch.arange(1000)
    condition = etsdm.share_timesteps(1 - steps.to(dtype) / 1000, scale=1000, toward="noise")
    torch.testing.assert_close(condition, 1 - etsdm.share_timesteps(steps).to(dtype) / 1000, atol=1e-7, rtol=0)
    assert condition[:100].unique().numel() == 5 and torch.equal(condition[100:], 1 - steps[100:].to(dtype) / 1000)


@pytest.mark.parametrize("toward", ["data", "noise"])
def test_numbers_and_tensors_are_shared_alike(toward):
    times = torch.arange(0, 1001, dtype=torch.float64) / 1000
    numbers = [etsdm.share_timesteps(t, scale=1000, toward=toward) for t in times.tolist()]
    assert numbers == etsdm.share_timesteps(times, scale=1000, toward=toward).tolist()


@pytest.mark.parametrize(
    "setting", [{}, {"scale": 1000}, {"scale": 1000, "toward": "noise"}, {"t_tilde": 1000, "n": 8, "scale": 1000}]
)
def test_sharing_twice_is_sharing_once(setting):
    times = torch.rand(500) * (1 if setting else 999)
    condition = etsdm.share_timesteps(times, **setting)
    assert torch.equal(etsdm.share_timesteps(condition, **setting), condition)


def test_a_time_just_below_a_left_end_counts_as_it():
    """0.02 * 1000 is 19.9999996 in some roundings, and it is step 20 that was meant."""
    assert etsdm.share_timesteps(torch.tensor([19.9999, 19.99])).tolist() == [20, 0]


def test_a_solver_that_looks_beyond_the_data_is_told_the_data():
    assert etsdm.share_timesteps(torch.tensor([1.09]), scale=1000, toward="noise").tolist() == [1]
    assert etsdm.share_timesteps(1.09, scale=1000, toward="noise") == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"t_tilde": 100, "n": 7}, "t_tilde = 100 must be a multiple of n = 7"),
        ({"t_tilde": 3}, "t_tilde = 3 must be a multiple of n = 5"),
        ({"t_tilde": 0}, "t_tilde = 0 and n = 5 must both be 1 or more"),
        ({"n": 0}, "t_tilde = 100 and n = 0 must both be 1 or more"),
        ({"toward": "images", "scale": 1000}, "toward = 'images' must be 'data' or 'noise'"),
        ({"toward": "noise"}, "give its number of timesteps, such as scale=1000"),
        ({"scale": 50}, "scale = 50 must be 1, or at least t_tilde = 100"),
        ({"scale": float("nan")}, "scale = nan must be 1"),
    ],
)
def test_impossible_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        etsdm.share_timesteps(torch.tensor([500]), **setting)
    with pytest.raises(ValueError, match=message):
        etsdm.share(Echo(), **setting)


@pytest.mark.parametrize(
    ("t", "setting", "message"),
    [
        ([0.0, 0.2, 0.5, 0.9], {}, "lies below 1 .at most 0.9.* give scale=1000, and toward='noise'"),
        ([-1.55, -0.58, 0.0, 1.1], {}, "is -1.55: times start at 0.* EDM's VPPrecond or iDDPMPrecond"),
        ([-1], {}, "is -1: times start at 0"),
        ([-0.1, 0.5], {"scale": 1000}, "is -0.1: times start at 0"),
        ([0.0, 500.0], {"scale": 1000}, "is 500, but scale=1000 is for time from 0 to 1.* leave scale out"),
        ([0, 1], {"scale": 1000}, "is of torch.int64, but scale=1000 is for time from 0 to 1.* leave scale out"),
        ([3.0], {"scale": 1000, "toward": "noise"}, "is 3, but scale=1000 is for time from 0 to 1"),
    ],
)
def test_times_in_another_unit_are_refused_with_the_cure(t, setting, message):
    with pytest.raises(ValueError, match=message):
        etsdm.share_timesteps(torch.tensor(t), **setting)
    network = Echo()
    etsdm.share(network, **setting)
    with pytest.raises(ValueError, match=r"^time \('t' of Echo\) " + message):
        network(None, t=torch.tensor(t))


def test_times_of_zero_alone_are_the_last_step():
    assert etsdm.share_timesteps(torch.zeros(4)).tolist() == [0] * 4
    assert etsdm.share_timesteps(0.0) == 0


@pytest.mark.parametrize("t", [None, "500", [1, 2]])
def test_what_is_no_time_is_refused(t):
    with pytest.raises(TypeError, match=f"t is of type {type(t).__name__}, neither a tensor nor a number"):
        etsdm.share_timesteps(t)


class Echo(torch.nn.Module):
    """A network that gives back all that it is told."""

    def forward(self, x, t, *others, **named):
        return x, t, others, named


def test_the_hook_changes_the_time_and_nothing_else():
    network, x, label, t = Echo(), torch.ones(1), object(), torch.tensor([3, 7, 12])
    etsdm.share(network, 10, 2)
    seen, condition, (other,), named = network(x, t, label, mask=None)
    assert seen is x and other is label and named == {"mask": None}
    assert condition.tolist() == [0, 5, 12] and t.tolist() == [3, 7, 12]
    assert network(x=x, t=t)[1].tolist() == [0, 5, 12]
    assert [network(x, t)[1] for t in (7, 7.5, 12)] == [5, 5.0, 12]


def test_removal_gives_the_network_back():
    network = Echo()
    handle = etsdm.share(network)
    assert network(None, 37)[1] == 20 and etsdm.sharing_of(network) is handle
    handle.remove()
    handle.remove()
    assert network(None, 37)[1] == 37 and etsdm.sharing_of(network) is None
    assert vars(network).keys() == vars(Echo()).keys()


def test_sharing_ends_with_its_block():
    network = Echo()
    with pytest.raises(KeyError), etsdm.share(network) as handle:
        assert network(None, 37)[1] == 20
        raise KeyError
    assert network(None, 37)[1] == 37
    assert repr(handle).startswith("<removed: ")


def test_a_shared_network_is_not_shared_again():
    network = torch.nn.Sequential(Echo())
    etsdm.share(network[0], n=1)
    with pytest.raises(ValueError, match=r"shared already, <etsdm\.share\(Echo, .*n=1.*call remove\(\) of its handle"):
        etsdm.share(network, index=1)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({}, "argument='t', index=1): times below 100 are told as 0, 20, 40, 60, 80>"),
        ({"t_tilde": 10, "n": 10}, "times below 10 are told as 0, 1, ..., 9>"),
        ({"scale": 1000}, "times below 0.1 are told as 0, 0.02, 0.04, 0.06, 0.08>"),
        ({"scale": 1000, "toward": "noise"}, "times above 0.9 are told as 1, 0.98, 0.96, 0.94, 0.92>"),
    ],
)
def test_the_handle_says_what_it_does(setting, message):
    assert message in repr(etsdm.share(Echo(), **setting))


def test_fractions_of_a_step_are_no_mistake_after_whole_ones():
    """k-diffusion asks at times between 0 and 1 near the end of its sampling."""
    network = Echo()
    etsdm.share(network)
    assert [network(None, torch.tensor([t]))[1].item() for t in (950.3, 0.4, 0.0)] == [pytest.approx(950.3), 0, 0]


def test_a_gpu_is_waited_for_in_the_first_calls_alone(monkeypatch):
    """Tensors on `meta` have no values: what computes with them waits for none."""
    looks = []
    monkeypatch.setattr(Times, "check", lambda self, t, name, counted: looks.append(t) or True)
    network, t = Echo(), torch.tensor([37], device="meta")
    etsdm.share(network)
    conditions = [network(None, t)[1] for _ in range(LOOKS + 5)]
    assert len(looks) == LOOKS
    assert {(one.device.type, one.dtype, one.shape) for one in conditions} == {("meta", torch.int64, t.shape)}


def network_with(forward):
    """A network with this `forward`."""
    return type("Network", (torch.nn.Module,), {"forward": forward})()


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda self, sample, timestep, timestep_cond=None: timestep, ("timestep", 1)),  # diffusers' U-Nets
        (lambda self, hidden_states, pooled=None, timestep=None: timestep, ("timestep", 2)),  # diffusers' transformers
        (lambda self, x, timesteps, y=None: timesteps, ("timesteps", 1)),  # guided-diffusion
        (lambda self, x, t, y: t, ("t", 1)),  # DiT, SiT
        (lambda self, t, x, y=None, *args, **kwargs: t, ("t", 0)),  # torchcfm
        (lambda self, x, time, x_self_cond=None: time, ("time", 1)),  # denoising-diffusion-pytorch
        (lambda self, x, noise_labels, class_labels: noise_labels, ("noise_labels", 1)),  # EDM
        (lambda self, x, *, timestep: timestep, ("timestep", None)),
    ],
)
def test_the_time_is_found(forward, expected):
    handle = etsdm.share(network_with(forward))
    assert (handle.argument, handle.index) == expected


@pytest.mark.parametrize(
    ("forward", "options", "expected"),
    [
        (lambda self, x, when: when, {"argument": "when"}, ("when", 1)),
        (lambda self, x, when: when, {"index": 1}, ("when", 1)),
        (lambda self, x, when: when, {"argument": "when", "index": 1}, ("when", 1)),
        (lambda self, x, when, /: when, {"index": 1}, (None, 1)),
        (lambda self, *args: args[1], {"index": 1}, (None, 1)),
        (lambda self, *args, **named: named, {"argument": "when", "index": 1}, ("when", 1)),
        (lambda self, **named: named, {"argument": "when"}, ("when", None)),
        (lambda self, x, timestep, t: t, {"argument": "t"}, ("t", 2)),
    ],
)
def test_the_time_can_be_named(forward, options, expected):
    handle = etsdm.share(network_with(forward), **options)
    assert (handle.argument, handle.index) == expected


@pytest.mark.parametrize(
    ("forward", "options", "message"),
    [
        (lambda self, x, sigma: x, {}, r"Network.forward\(x, sigma\) has no argument with a usual name: .*index=1"),
        (lambda self, x, timestep, t: x, {}, r"may be the time \(timestep, t\): give the time's name"),
        (lambda self, *args, **named: args, {}, "no argument with a usual name"),
        (lambda self, x, t: x, {"argument": "timestep"}, r"forward\(x, t\) has no argument 'timestep'"),
        (lambda self, x, t: x, {"argument": "t", "index": 0}, "has 't' at index 1, not 0: give one of the two alone"),
        (lambda self, x, t: x, {"index": 2}, "has no argument at index 2"),
        (lambda self, x, t: x, {"index": -1}, "index = -1 must be 0 or more"),
    ],
)
def test_a_time_that_is_not_found_is_said_with_the_cure(forward, options, message):
    with pytest.raises(ValueError, match=message):
        etsdm.share(network_with(forward), **options)


def test_a_call_without_the_time_is_refused():
    network = network_with(lambda self, x, timestep=None, **named: x)
    etsdm.share(network)
    with pytest.raises(TypeError, match=r"the call has no time \('timestep' of Network\): .*argument= or index="):
        network(1, other=5)
    with pytest.raises(TypeError, match="is of type NoneType"):
        network(1, timestep=None)


def test_a_pipeline_is_no_network():
    with pytest.raises(TypeError, match=r"SimpleNamespace is no torch.nn.Module: .*pipeline.unet or pipeline"):
        etsdm.share(SimpleNamespace(unet=Echo()))


def test_the_steps_that_share_a_condition_are_shown():
    steps = etsdm.step_conditions(SimpleNamespace(timesteps=torch.tensor([999, 130, 99, 85, 60, 30, 1])))
    assert steps == [(999, 999), (130, 130), (99, 80), (85, 80), (60, 60), (30, 20), (1, 0)]
    assert [step.condition for step in steps if step.timestep < 10] == [0]
    assert repr(steps).splitlines() == [
        "condition  timesteps",
        "       80  99, 85",
        "       20  30",
        "        0  1",
        "3 of 7 steps are told their own timestep",
    ]


def test_steps_at_left_ends_share_nothing():
    steps = etsdm.step_conditions(SimpleNamespace(timesteps=[80, 60, 40, 20, 0]))
    assert repr(steps) == "5 of 5 steps are told their own timestep"


def test_a_scheduler_without_timesteps_is_refused():
    with pytest.raises(TypeError, match=r"SimpleNamespace has no timesteps: call its set_timesteps\(...\) first"):
        etsdm.step_conditions(SimpleNamespace(timesteps=None))


def test_the_package_lists_its_public_names_and_loads_no_torch_for_them():
    names = ["Sharing", "share", "share_timesteps", "sharing_of", "step_conditions"]
    assert dir(etsdm) == names
    assert all(getattr(etsdm, name).__doc__ for name in names)
    code = "import sys, etsdm; dir(etsdm); print('torch' in sys.modules); etsdm.share; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\nTrue\n"
    with pytest.raises(AttributeError, match="no attribute 'ETSDM'"):
        etsdm.ETSDM  # noqa: B018
