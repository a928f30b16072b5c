"""E-TSDM in other people's code: against this project's own condition, and the examples as they are printed."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import process_with

import etsdm

ROOT = Path(__file__).resolve().parents[1]


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
    told = etsdm.share_timesteps(torch.tensor([t], dtype=torch.float64), *setting)
    assert told.tolist() == own_condition(*setting)(np.array([t])).tolist()


@pytest.mark.parametrize(
    "dtype", [torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_shape_and_type_stay(dtype):
    t = torch.tensor([[0, 19, 20], [99, 100, 101]], dtype=dtype)
    told = etsdm.share_timesteps(t)
    assert told.dtype == dtype and told.tolist() == [[0, 0, 20], [80, 100, 101]]


def test_a_number_is_a_timestep_too():
    assert etsdm.share_timesteps(59).item() == 40
    assert etsdm.share_timesteps(150.5).item() == 150.5
    assert etsdm.share_timesteps(torch.tensor(59)).shape == ()


@pytest.mark.parametrize(("t_tilde", "n"), [(100, 7), (3, 5)])
def test_unlike_sub_intervals_are_refused(t_tilde, n):
    with pytest.raises(ValueError, match=f"t_tilde = {t_tilde} must be a multiple of n = {n}"):
        etsdm.share_timesteps(torch.tensor([1]), t_tilde, n)


@pytest.mark.parametrize(("t_tilde", "n"), [(0, 5), (100, 0), (-5, 5)])
def test_an_interval_of_nothing_is_refused(t_tilde, n):
    with pytest.raises(ValueError, match=f"t_tilde = {t_tilde} and n = {n} must both be 1 or more"):
        etsdm.share_timesteps(torch.tensor([1]), t_tilde, n)


class Told(torch.nn.Module):
    """A network that gives back all that it is told."""

    def forward(self, *arguments, **named):
        return arguments, named


def test_the_wrapper_changes_the_time_and_nothing_else():
    x, label = torch.ones(1), object()
    (seen, t, other), named = etsdm.ETSDM(Told(), 10, 2)(x, torch.tensor([3, 7, 12]), label, mask=None)
    assert seen is x and other is label and named == {"mask": None}
    assert t.tolist() == [0, 5, 12]


def test_the_package_alone_imports_no_torch():
    code = "import sys, etsdm; assert 'torch' not in sys.modules; etsdm.ETSDM; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'EDM'"):
        etsdm.EDM  # noqa: B018


def test_the_guide_runs_as_it_is_printed():
    """Its Python, one block after the other, trained for a moment: noise is predicted better than by zero."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.MULTILINE | re.DOTALL)
    torch.manual_seed(0)
    names = {"network": Told(), "STEPS": 300}
    for block in blocks:
        exec(compile(block, "docs/library.md", "exec"), names)
    assert len(blocks) == 3
    assert names["loss"] < 0.5
    assert names["x"].shape == (16, 64) and 0.3 < names["x"].std() < 1.2


def test_the_example_with_diffusers(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["diffusers_etsdm.py", "--steps", "2", "--width", "8", "--nfe", "2"])
    example = runpy.run_path(str(ROOT / "examples/diffusers_etsdm.py"), run_name="__main__")
    said = capsys.readouterr().out
    k = [float(value) for value in re.findall(r"^K.*: +(\S+)$", said, re.MULTILINE)]
    assert k[0] == 0 and k[1] > 0 and k[2] > 0
    model, x = example["make_model"](8).eval(), torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        inside = [model(x, torch.full((5,), t)).sample for t in (80, 85, 99)]
        assert torch.equal(inside[0], inside[1]) and torch.equal(inside[0], inside[2])
        for t in (0, 19, 20, 99, 100, 500):
            told = torch.from_numpy(own_condition()(np.full(5, t)))
            assert torch.equal(model(x, torch.full((5,), t)).sample, model.network(x, told).sample)
