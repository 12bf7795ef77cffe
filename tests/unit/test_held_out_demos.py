"""Loss on demos that are not trained on."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from mstool.errors import UsageError
from mstool.training.held_out_demos import FRAMES, HeldOutDemos, choose, in_words
from mstool.training.options import FinetuneOptions


class Frames(torch.utils.data.Dataset):
    """Frames whose value is `first` + their number."""

    def __init__(self, count, first=0):
        self.count, self.first = count, first

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {"index": torch.tensor(index), "value": torch.tensor(float(self.first + index))}


class Policy(torch.nn.Module):
    """Its loss is the mean of the values, and noise."""

    def __init__(self, noise=0.0):
        super().__init__()
        self.noise, self.seen = noise, []

    def forward(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen += batch["index"].tolist()
        return batch["value"].mean() + self.noise * torch.randn(()), {}


def judged(policy, unseen, seen):
    return HeldOutDemos(unseen, seen, (), 3).judge(policy, lambda batch: batch, nullcontext)


@pytest.mark.parametrize("count", [1, 33, FRAMES, 1000])
def test_the_loss_is_the_mean_over_evenly_spaced_frames(count):
    policy = Policy()
    found = judged(policy, Frames(count), Frames(7, first=100))
    wanted = np.unique(np.linspace(0, count - 1, FRAMES).round().astype(int))
    assert policy.seen == [*wanted, *range(7)]
    assert found == {"episodes": 3, "loss": pytest.approx(wanted.mean()), "trained_on": pytest.approx(103)}


def test_training_goes_on_as_if_nothing_had_been():
    policy = Policy(noise=1.0).train()
    torch.manual_seed(5)
    wanted = torch.randn(3)
    torch.manual_seed(5)
    found = judged(policy, Frames(40), Frames(40))
    assert torch.equal(torch.randn(3), wanted)
    assert policy.training
    # The same frames with the same random numbers.
    assert found["loss"] == found["trained_on"]
    policy.eval()
    judged(policy, Frames(2), Frames(2))
    assert not policy.training


def test_what_a_batch_lacks_is_added_for_the_frames_trained_on_alone():
    def complete(batches):
        for batch in batches:
            yield {**batch, "value": batch["value"] + 50}

    demos = HeldOutDemos(Frames(4), Frames(4), (), 1, complete)
    found = demos.judge(Policy(), lambda batch: batch, nullcontext)
    assert (found["loss"], found["trained_on"]) == (1.5, 51.5)


def asked(policy="flow", **changes):
    return FinetuneOptions(dataset=Path("data"), policy=policy, output=Path("runs/a"), **changes)


def test_few_demos_are_all_trained_on():
    assert choose(asked(), lambda: {"push": 500, "pull": 49}) == 0
    assert choose(asked(), lambda: {"push": 500, "pull": 50}) == 0.02
    assert choose(asked(), dict) == 0
    assert choose(asked("pi05"), lambda: {"push": 5000}) == 0
    assert choose(asked("pi05", eval_split=0.1), lambda: {"push": 10}) == 0.1
    assert choose(asked(eval_split=0.0), lambda: {"push": 500}) == 0


def test_every_task_must_keep_a_demo():
    with pytest.raises(UsageError, match="no demo of 'pull' to train on") as caught:
        choose(asked(eval_split=0.5), lambda: {"push": 10, "pull": 1})
    assert caught.value.fix == "mstool finetune data --policy flow --output runs/a"


def test_words():
    assert in_words({"episodes": 4, "loss": 0.0109, "trained_on": 0.0079}) == (
        "loss 0.0109 on 4 demos that were not trained on, 0.0079 on those that were"
    )
    assert in_words({"episodes": 12, "loss": 0.05247, "trained_on": 0.00715}) == (
        "loss 0.05247 on 12 demos that were not trained on, 0.00715 on those that were: learnt by heart; more demos "
        "would help (mstool demos generate), more steps would not"
    )
