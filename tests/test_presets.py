"""Presets of network and training: files by name, from which any key may differ."""

import pytest
import yaml
from configs import tiny

from etsdm.config import presets
from etsdm.config.bases import merged
from etsdm.config.network import Network
from etsdm.config.presets import names
from etsdm.config.training import Training
from etsdm.errors import UserError
from etsdm.plan.plan import Plan
from etsdm.plan.reading import parse_config

BLOCKS = {"network": Network, "training": Training}
EVERY = [(block, name) for block in BLOCKS for name in names(block)]


def values(block, name):
    return yaml.safe_load((presets.FOLDER / block / f"{name}.yaml").read_text())


@pytest.mark.parametrize(("block", "name"), EVERY)
def test_a_name_alone_gives_the_values_of_the_file_and_says_where_they_come_from(block, name):
    model = BLOCKS[block]
    assert model.model_validate(name) == model.model_validate(values(block, name) | {"preset": name})
    assert (presets.FOLDER / block / f"{name}.yaml").read_text().startswith("# ")


def test_a_file_in_the_folder_is_a_preset(tmp_path, monkeypatch):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "mine.yaml").write_text("{channels: 8, multipliers: [1], blocks: 1, attention: []}")
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    assert names("network") == ["mine"]
    assert Network.model_validate({"preset": "mine", "norm_groups": 4}).norm_groups == 4


def test_any_key_may_differ():
    network = Network.model_validate({"preset": "adm-256", "dropout": 0.1, "head_channels": 32})
    assert (network.dropout, network.head_channels, network.channels) == (0.1, 32, 128)


def test_a_preset_is_no_part_of_an_identity():
    written = values("network", "small")
    by_name, in_full = (Plan(parse_config(tiny(network=network), "test")) for network in ("small", written))
    assert by_name.inventory() == in_full.inventory()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("smal", "network.preset: unknown 'smal'; allowed: adm-256, ddpm-cifar10, small; did you mean 'small'"),
        ({"preset": "../x"}, "network.preset: unknown '../x'"),
        ({"preset": 3, **values("network", "small")}, "network.preset: input should be a valid string, not 3"),
        ({"preset": "small", "chanels": 8}, "network.chanels: unknown key; allowed: preset, channels"),
        ({"preset": "small", "norm_groups": 5}, "norm_groups = 5 does not divide the 16 channels"),
    ],
)
def test_what_is_wrong_is_one_message(network, message):
    with pytest.raises(UserError) as error:
        parse_config(tiny(network=network), "test")
    assert len(str(error.value).splitlines()) == 1 and message in str(error.value)


@pytest.mark.parametrize(
    ("below", "above", "result"),
    [
        ("small", {"dropout": 0.1}, {"preset": "small", "dropout": 0.1}),
        ({"preset": "small", "dropout": 0.1}, "small", {"preset": "small", "dropout": 0.1}),
        ({"preset": "small", "dropout": 0.1}, "adm-256", {"preset": "adm-256"}),
        ({"channels": 8, "blocks": 1}, {"preset": "small", "blocks": 2}, {"preset": "small", "blocks": 2}),
    ],
)
def test_another_preset_replaces_the_block_of_a_base(below, above, result):
    assert merged({"network": below}, {"network": above}) == {"network": result}


def test_what_has_a_usual_value_need_not_be_given():
    network = Network.model_validate({"channels": 64, "multipliers": [1, 2], "blocks": 1, "attention": [16]})
    usual = {"heads": 1, "head_channels": None, "dropout": 0.0, "norm_groups": 32}
    assert network.model_dump().items() >= (usual | {"scale_shift_norm": True, "resblock_updown": False}).items()
    needed = {"images": 1, "batch": 1, "learning_rate": 1e-4, "warmup": 0, "ema_half_life": 1}
    usual = {"optimizer": "adamw", "betas": (0.9, 0.999), "weight_decay": 0.0, "gradient_clip": 1.0}
    training = Training.model_validate(needed).model_dump()
    assert training.items() >= (usual | {"precision": "float32", "flip": False}).items()
    config = tiny()
    del config["seeds"]
    assert parse_config(config, "test").seeds == [0, 1, 2]
