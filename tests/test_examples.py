"""E-TSDM in the networks of others: the guides and the examples as they are printed, and diffusers' own pipelines."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMPipeline,
    DDIMScheduler,
    DiTPipeline,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    UNet2DModel,
)
from test_library import own_condition
from trained import model_spec, trained_tensors, write_weights

import etsdm
from etsdm.models.trained import load_predictor
from etsdm.models.weights import save_weights
from etsdm.plan.reading import parse_solver

ROOT = Path(__file__).resolve().parents[1]


def example(name):
    """What an example defines, without running it."""
    return runpy.run_path(str(ROOT / "examples" / name))


def run(name, monkeypatch, *arguments):
    """Run an example as a script."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


class Echo(torch.nn.Module):
    """A network that gives back the time that it is told."""

    def forward(self, x, t):
        return t


def test_the_guide_runs_as_it_is_printed():
    """Its Python, one block after the other, trained for a moment: noise is predicted better than by zero."""
    torch.manual_seed(0)
    names = {"network": Echo(), "STEPS": 300}
    printed = blocks((ROOT / "docs/library.md").read_text())
    for block in printed:
        exec(compile(block, "docs/library.md", "exec"), names)
    assert len(printed) == 3
    assert names["network"](None, 37) == 20
    assert names["loss"] < 0.5
    assert names["x"].shape == (16, 64) and 0.3 < names["x"].std() < 1.2


def test_the_lines_of_the_readme_run_as_they_are_printed():
    (printed,) = blocks((ROOT / "README.md").read_text().partition("## E-TSDM in your own code")[2])
    names = {"network": Echo()}
    exec(compile(printed, "README.md", "exec"), names)
    assert names["network"](None, 37) == 20


def test_every_example_is_in_the_guide():
    listed = re.findall(r"^\| \[`(.+?)`\]", (ROOT / "docs/library.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in ROOT.glob("examples/*.*"))


def test_swapped_networks_are_each_alone_where_the_other_has_no_time(tmp_path, monkeypatch, capsys):
    files = [write_weights(tmp_path / f"{method}.safetensors", method) for method in ("ddpm", "etsdm")]
    options = {"--nfe": "4", "--images": "3", "--out": str(tmp_path / "rows.png")}
    run("swap_networks.py", monkeypatch, *map(str, files), *(word for option in options.items() for word in option))
    assert len(re.findall(r"^(A|B).*: noise \d", capsys.readouterr().out, re.MULTILINE)) == 4
    names = example("swap_networks.py")
    solver = parse_solver({"name": "ddim", "nfe": [30], "clip_x0": True})  # stops inside sub-intervals
    (a, spec), (b, _) = (load_predictor(file, torch.device("cpu"), clip_x0=True) for file in files)

    def drawn(predict):
        return names["draw"](predict, solver, 0, 3, spec.dataset.shape)

    assert not np.array_equal(drawn(a), drawn(b))
    for time, alone in ((0, a), (1000, b)):
        assert np.array_equal(drawn(names["swapped"](a, b, time)), drawn(alone))


@pytest.mark.parametrize(
    ("block", "change", "message"),
    [
        ("diffusion", {"schedule": "quadratic"}, "must have the same schedule"),
        ("diffusion", {"prediction": "v"}, "and the same prediction"),
        ("dataset", {"resolution": 16}, r"images of \(1, 8, 8\), the other of \(1, 16, 16\)"),
    ],
)
def test_networks_that_cannot_be_swapped_are_refused(block, change, message, tmp_path, monkeypatch, capsys):
    files = [write_weights(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"]
    spec = model_spec("ddpm")
    save_weights(files[1], trained_tensors(), spec | {block: spec[block] | change})
    with pytest.raises(SystemExit, match="2"):
        run("swap_networks.py", monkeypatch, *map(str, files), "--out", str(tmp_path / "rows.png"))
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "rows.png").exists()


def test_the_noise_of_an_image_is_estimated_within_a_few_percent():
    estimate = example("swap_networks.py")["noise"]
    ramp = np.arange(64)[:, None, None] + np.zeros((64, 3))
    noisy = ramp + np.random.default_rng(0).normal(0, 7, (5, 64, 64, 3))
    assert estimate(noisy) == pytest.approx(7, rel=0.1)
    assert estimate(ramp[None]) == 0


@pytest.mark.parametrize("name", ["diffusers_dit.py", "diffusers_flow.py", "flow_matching.py", "k_diffusion.py"])
def test_an_example_trains_and_samples(name, monkeypatch, capsys):
    run(name, monkeypatch, "--steps", "2")
    assert re.search(r"^1[06] images with values from -\d", capsys.readouterr().out, re.MULTILINE)


def test_unconditional_training_with_diffusers(monkeypatch, capsys, tmp_path):
    out = str(tmp_path / "digits")
    run("diffusers_unconditional.py", monkeypatch, "--steps", "2", "--width", "8", "--nfe", "30", "--out", out)
    output = capsys.readouterr().out
    k = [float(value) for value in re.findall(r"^K.*: +(\S+)$", output, re.MULTILINE)]
    assert k[0] == 0 and k[1] > 0 and k[2] > 0
    assert "\n       20  33\n27 of 30 steps" in output


def test_the_notebook_trains_and_draws_k(monkeypatch):
    """Its cells are plain Python, so they run without a kernel, which is some twenty packages."""
    notebook = nbformat.read(ROOT / "examples" / "k_in_a_notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in printed if "image/png" in output.get("data", {})], "its figure is not shown"
    assert not [output for output in printed if output.output_type == "error"]
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    names = {}
    for cell in cells:
        exec(compile(cell.replace("STEPS = 500", "STEPS = 2"), "k_in_a_notebook.ipynb", "exec"), names)
    assert names["STEPS"] == 2
    k = {name: dict(zip(names["times"], values, strict=True)) for name, values in names["k"].items()}
    assert all(value > 0 for value in k["ddpm"].values())
    assert [t for t, value in k["etsdm"].items() if value == 0] == [10, 30, 50, 70, 90]
    (curves,) = names["figure"].axes
    assert [line.get_label() for line in curves.lines] == ["ddpm", "etsdm"]
    plt.close(names["figure"])


def outputs(network, times, **named):
    """What a network gives at times, each for the same image."""
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return [network(x, timestep=torch.tensor([t]), **named).sample for t in times]


@pytest.mark.parametrize(
    ("name", "make", "arguments", "named"),
    [
        ("diffusers_unconditional.py", "make_unet", (8,), {}),
        ("diffusers_dit.py", "make_transformer", (), {"class_labels": torch.tensor([3])}),
    ],
)
def test_networks_of_diffusers_are_told_the_condition_of_the_benchmark(name, make, arguments, named):
    times = [0, 19, 20, 59, 99, 100, 500]
    network = example(name)[make](*arguments).eval()
    for parameter in network.parameters():  # some start at zero, and would hide the time
        torch.nn.init.normal_(parameter, std=0.2)
    shared = outputs(network, times, **named)
    etsdm.sharing_of(network).remove()
    conditions = own_condition()(np.array(times)).astype(int).tolist()
    assert all(map(torch.equal, shared, outputs(network, conditions, **named)))
    assert not torch.equal(shared[1], outputs(network, [19], **named)[0])


def test_the_flow_example_shares_the_same_steps():
    names = example("diffusers_flow.py")
    network, x, label = names["make_transformer"]().eval(), torch.randn(1, 16, 4), torch.tensor([3])

    def at(t):
        with torch.no_grad():
            return names["velocity"](network, x, torch.tensor([t]), label)

    assert torch.equal(at(80.0), at(99.0)) and not torch.equal(at(80.0), at(79.0))
    assert not torch.equal(at(100.0), at(101.0))
    etsdm.sharing_of(network).remove()
    assert not torch.equal(at(80.0), at(99.0))


def told_in(network, call):
    """The times that a network is told while `call` runs."""
    seen = []
    with etsdm.share(network):
        spy = network.register_forward_pre_hook(
            lambda _, args, named: seen.append(named.get("timestep", args[1] if len(args) > 1 else None)),
            with_kwargs=True,
        )
        call()
        spy.remove()
    return [t.flatten()[0].item() for t in seen]


def small_unet():
    return example("diffusers_unconditional.py")["make_unet"](8)


def test_a_pipeline_works_and_is_saved_as_without(tmp_path):
    unet = small_unet()
    etsdm.sharing_of(unet).remove()
    pipeline = DDIMPipeline(unet, DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    conditions = told_in(pipeline.unet, lambda: pipeline(2, num_inference_steps=30, output_type="np"))
    assert conditions == [condition for _, condition in etsdm.step_conditions(pipeline.scheduler)]
    assert conditions[-4:] == [80, 60, 20, 0]
    with etsdm.share(unet):
        pipeline.save_pretrained(tmp_path)
    loaded = DDIMPipeline.from_pretrained(tmp_path).unet
    assert etsdm.sharing_of(loaded) is None and loaded.config.keys() - unet.config.keys() <= {"_name_or_path"}
    assert all(map(torch.equal, unet.state_dict().values(), loaded.state_dict().values()))
    assert unet.state_dict().keys() == loaded.state_dict().keys()


def test_a_pipeline_that_gives_the_time_by_name_is_shared():
    transformer = example("diffusers_dit.py")["make_transformer"]()
    etsdm.sharing_of(transformer).remove()
    vae = AutoencoderKL(in_channels=1, out_channels=1, latent_channels=1, block_out_channels=(8,), norm_num_groups=4)
    pipeline = DiTPipeline(transformer, vae, DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    conditions = told_in(transformer, lambda: pipeline([3], guidance_scale=1, num_inference_steps=30, output_type="np"))
    assert conditions[-4:] == [80, 60, 20, 0]


def test_a_flow_model_of_diffusers_that_is_told_timesteps_is_shared():
    """Stable Diffusion 3 is told t, not t / 1000, and the other unit is refused."""
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=1,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=8,
        caption_projection_dim=16,
        pooled_projection_dim=8,
        out_channels=1,
        pos_embed_max_size=8,
    )
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(30)

    def sample():
        x, text = torch.randn(1, 1, 8, 8), torch.zeros(1, 2, 8)
        for t in scheduler.timesteps:
            v = transformer(
                hidden_states=x, timestep=t.expand(1), encoder_hidden_states=text, pooled_projections=text[:, 0]
            ).sample
            x = scheduler.step(v, t, x).prev_sample

    with torch.no_grad():
        assert told_in(transformer, sample)[-3:] == [60, 20, 0]
        etsdm.share(transformer, scale=1000)
        with pytest.raises(ValueError, match=r"is 1000, but scale=1000 .* leave scale out"):
            sample()


def test_a_network_for_training_may_checkpoint_its_activations():
    """As diffusers does it within its blocks."""
    unet, x = small_unet(), torch.randn(2, 1, 8, 8)
    reference, again = UNet2DModel.from_config(unet.config), torch.tensor([37, 250])
    reference.load_state_dict(unet.state_dict())
    unet.enable_gradient_checkpointing()
    for network, t in ((unet, again), (reference, torch.tensor([20, 250]))):
        network.train()(x, t).sample.square().sum().backward()
    for ours, expected in zip(unet.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)
