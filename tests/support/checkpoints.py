"""Tiny, untrained LeRobot checkpoints for a dataset: quick to load, never successful."""

import importlib

TINY = {
    "act": {
        "dim_model": 32,
        "n_heads": 2,
        "dim_feedforward": 32,
        "n_encoder_layers": 1,
        "n_vae_encoder_layers": 1,
        "pretrained_backbone_weights": None,
        "chunk_size": 10,
        "n_action_steps": 5,
    },
    "flow": {
        "width": 32,
        "num_heads": 2,
        "observation_layers": 1,
        "action_layers": 1,
        "chunk_size": 8,
        "n_action_steps": 4,
        "num_inference_steps": 2,
        "image_size": (64, 64),
    },
    "diffusion": {
        "down_dims": (32, 64),
        "horizon": 8,
        "n_action_steps": 4,
        "num_inference_steps": 2,
        "crop_shape": None,
        "use_separate_rgb_encoder_per_camera": False,
        "pretrained_backbone_weights": None,
    },
}


def make_checkpoint(root, run, kind="act", **more):
    """Save a checkpoint as training does: `run`/checkpoints/000001/pretrained_model, and the link `last`."""
    import torch
    from lerobot.configs import FeatureType
    from lerobot.datasets import LeRobotDatasetMetadata
    from lerobot.policies.factory import get_policy_class, make_policy_config, make_pre_post_processors
    from lerobot.utils.feature_utils import dataset_to_policy_features

    from mstool.conventions import load_conventions, save_conventions

    if kind == "flow":
        importlib.import_module("mstool.finetune.flow.configuration_flow")
    meta = LeRobotDatasetMetadata("test/tiny", root=root)
    features = dataset_to_policy_features(meta.features)
    config = make_policy_config(kind, device="cpu", push_to_hub=False, **{**TINY[kind], **more})
    config.output_features = {k: f for k, f in features.items() if f.type is FeatureType.ACTION}
    config.input_features = {k: f for k, f in features.items() if k not in config.output_features}
    torch.manual_seed(0)
    policy = get_policy_class(kind)(config)
    before, after = make_pre_post_processors(config, dataset_stats=meta.stats)
    folder = run / "checkpoints" / "000001" / "pretrained_model"
    folder.mkdir(parents=True)
    policy.save_pretrained(folder)
    before.save_pretrained(folder)
    after.save_pretrained(folder)
    save_conventions(load_conventions(root), folder)
    (run / "checkpoints" / "last").symlink_to("000001")
    return run
