"""Twenty optimizer steps of pi05 with random weights, in full and with LoRA: loss, peak memory, samples per second.

    python benchmarks/pi05_steps.py DATASET --out benchmarks/results/pi05_steps.json

Neither weights nor tokenizer are downloaded: weights are drawn on the device, the tokenizer is a byte-level BPE trained
on the dataset's own prompts. The steps are those of `mstool finetune --policy pi05 --init random`. Each kind runs in a
process of its own, so that one's memory is not the other's. `--tiny` shrinks the model for a try on a CPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def make_tokenizer(dataset: Path, folder: Path) -> Path:
    """Train a tokenizer on prompts as pi05's processor writes them: instruction, then eight state bins 0..255."""
    import pandas as pd
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tasks = pd.read_parquet(dataset / "meta" / "tasks.parquet").index
    states = [" ".join(str((17 * i + 31 * j) % 256) for j in range(8)) for i in range(256)]
    prompts = [f"Task: {task}, State: {state};\nAction: " for task in tasks for state in states]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=["<pad>", "<bos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(prompts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>")
    fast.save_pretrained(folder)
    return folder


def shrink() -> None:
    """Make LeRobot's pi05 a model of half a million parameters; the code stays, and its eight heads, which it fixes."""
    from lerobot.policies.pi05 import modeling_pi05 as pi05

    vlm, expert = pi05.PaliGemmaForConditionalGenerationWithPiGemma, pi05.PiGemmaForCausalLM
    pi05.get_gemma_config = lambda _variant: pi05.GemmaConfig(64, 2, 128, 8, 1, 16)

    def small_vlm(config):
        config.text_config.vocab_size = 1024
        config.image_token_index = config.image_token_id = 1023
        for name, value in (
            ("hidden_size", 32), ("num_hidden_layers", 1), ("num_attention_heads", 2), ("intermediate_size", 64),
            ("projection_dim", 64),
        ):  # fmt: skip
            setattr(config.vision_config, name, value)
        return vlm(config)

    def small_expert(config):
        config.vocab_size = 1024
        return expert(config)

    pi05.PaliGemmaForConditionalGenerationWithPiGemma = small_vlm
    pi05.PiGemmaForCausalLM = small_expert


def run(arguments: argparse.Namespace, tokenizer: Path, output: Path) -> dict:
    """Train one kind."""
    import torch

    from mstool.training.options import FinetuneOptions
    from mstool.training.prepare import prepare
    from mstool.training.run import finetune

    if arguments.tiny:
        shrink()
    options = FinetuneOptions(
        dataset=arguments.dataset,
        policy="pi05",
        output=output / arguments.kind,
        init="random",
        tokenizer=tokenizer,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        lora=arguments.kind == "lora",
        num_workers=arguments.workers,
        log_every=1,
        save_every=arguments.steps,
        cache_frames="off",
        seed=0,
        device=arguments.device,
    )
    prepared = prepare(options, notify=print)
    # A full checkpoint is 25 GB of random numbers; adapters are small, and saving them is part of the try.
    prepared.train.save_checkpoint = options.lora
    on_gpu = prepared.plan.device.startswith("cuda")
    losses, times, peaks = [], [], []

    def on_step(step: int, loss: float) -> None:
        losses.append(loss)
        times.append(time.perf_counter())
        peaks.append(torch.cuda.max_memory_allocated() if on_gpu else 0)
        print(f"{arguments.kind} step {step}: loss {loss:.4f}, {peaks[-1] / 2**30:.2f} GiB", flush=True)

    report = finetune(prepared, on_step)
    warm = min(5, len(times) - 2)
    memory = prepared.plan.memory
    return {
        "kind": arguments.kind,
        "batch_size": arguments.batch_size,
        "steps": len(losses),
        "loss": losses,
        "first_five": sum(losses[:5]) / len(losses[:5]),
        "last_five": sum(losses[-5:]) / len(losses[-5:]),
        "samples_per_s": arguments.batch_size * (len(times) - 1 - warm) / (times[-1] - times[warm]),
        "peak_gib": max(peaks) / 2**30,
        "peak_reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if on_gpu else 0.0,
        "estimated_gib": memory.total / 2**30 if memory else None,
        "parameters": memory.parameters if memory else None,
        "trained": memory.trained if memory else None,
        "adapters_saved": (report.checkpoint / "adapter_model.safetensors").is_file(),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "tiny": arguments.tiny,
    }


def main() -> None:
    """Run both kinds and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pi05_steps.json"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--device", default=None)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--kind", choices=["full", "lora"], help="one kind, in this process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if arguments.kind:
            result = run(arguments, make_tokenizer(arguments.dataset, folder / "tokenizer"), folder)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
            return
        results = []
        for kind in ("full", "lora"):
            part = folder / f"{kind}.json"
            words = [sys.executable, __file__, *sys.argv[1:], "--kind", kind, "--out", str(part)]
            if subprocess.run(words, check=False).returncode == 0:
                results.append(json.loads(part.read_text()))
            else:
                results.append({"kind": kind, "failed": True})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    for result in results:
        print(json.dumps({key: value for key, value in result.items() if key != "loss"}))
    sys.exit(any("failed" in result for result in results))


if __name__ == "__main__":
    main()
