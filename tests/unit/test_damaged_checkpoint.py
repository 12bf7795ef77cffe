"""A checkpoint of which a file breaks off: which one is said in a line, by whatever command reads it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mstool.errors import DataError
from mstool.improvement.options import ImproveOptions
from mstool.improvement.prepare import prepare
from mstool.training import resume
from mstool.training.publish import publishable

FILES = {
    "config.json": {"type": "pi05"},
    "adapter_config.json": {"base_model_name_or_path": "lerobot/pi05_base"},
    "policy_preprocessor.json": {"steps": []},
    "mstool_run.json": {"policy": "pi05"},
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"weight": torch.ones(2)}, folder / "model.safetensors")
    for name, document in FILES.items():
        (folder / name).write_text(json.dumps(document))
    return folder


def publish(model: Path, folder: Path) -> None:
    folder.mkdir()
    publishable(model, folder, repo_id="me/pick", license_=None, results=None)


def said(error: DataError, path: Path) -> bool:
    return error.message.startswith(f"{path} cannot be read: ") and "another checkpoint" in error.fix


@pytest.mark.parametrize("name", FILES)
def test_it_is_not_published(model, tmp_path, name):
    publish(model, tmp_path / "whole")
    (model / name).write_text('{"ty')
    with pytest.raises(DataError) as error:
        publish(model, tmp_path / "damaged")
    assert said(error.value, model / name)


def test_it_is_not_improved(model):
    (model / "config.json").write_text('{"ty')
    with pytest.raises(DataError) as error:
        prepare(ImproveOptions(checkpoint=str(model)))
    assert said(error.value, model / "config.json")


def test_its_training_does_not_go_on_unchecked(tmp_path):
    step = tmp_path / "checkpoints" / "000010"
    for name in ("pretrained_model/train_config.json", "training_state/training_step.json"):
        (step / name).parent.mkdir(parents=True)
        (step / name).write_text("{}")
    run = step / "pretrained_model" / "mstool_run.json"
    run.write_text('{"policy": "ac')
    checkpoint = resume.newest(tmp_path)
    assert checkpoint is not None
    with pytest.raises(DataError) as error:
        _ = checkpoint.run
    assert said(error.value, run)
