"""`mstool serve`: a checkpoint behind openpi's protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstool.cli.output import say
from mstool.errors import UsageError

if TYPE_CHECKING:
    from mstool.evaluation.openpi.server import PolicyServer

EXAMPLES = """

Examples:

    mstool serve runs/pickcube

    mstool serve runs/pickcube --port 8001 --device cuda --batch 8

    mstool serve my/vlabench_checkpoint --own-keys

    mstool eval --policy ws://127.0.0.1:8000 --dataset data/PickCube-v1    (in another terminal)
"""


def serve(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A run's folder, or one of its checkpoints.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets every machine ask (there is no password).")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    device: Annotated[str, typer.Option(help="Where the policy runs: auto, cpu, cuda, cuda:1.")] = "auto",
    dataset: Annotated[
        Path | None, typer.Option(help="The training dataset, where it is not beside the checkpoint.")
    ] = None,
    own_keys: Annotated[
        bool,
        typer.Option(
            "--own-keys",
            help="Without a dataset, under the names of the checkpoint's own inputs: for a client that knows what they "
            "mean, as VLABench's.",
        ),
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Questions answered at once: as many as clients ask.")] = 1,
) -> None:
    """Answer openpi's policy protocol (websocket, msgpack) with a checkpoint, until Ctrl-C.

    openpi's own clients can drive it: LIBERO's keys for the layouts libero, joint and tcp, DROID's for droid. Actions
    are in the layout of the dataset that the checkpoint was trained on.
    """
    import asyncio

    from mstool.evaluation.openpi.server import PolicyServer
    from mstool.evaluation.policies.checkpoint import SERVE, checkpoint_conventions, find_checkpoint
    from mstool.evaluation.policies.choose import CheckpointSource
    from mstool.evaluation.policies.own_inputs import own_conventions

    if own_keys and dataset is not None:
        raise UsageError(
            "--own-keys and --dataset exclude each other", fix="leave one of them out", change={"--dataset": None}
        )
    model = find_checkpoint(checkpoint, SERVE)
    conventions = own_conventions(model) if own_keys else checkpoint_conventions(model, dataset, SERVE)
    policy = CheckpointSource(checkpoint, dataset).open(conventions, device=device, slots=batch, notify=say)
    try:
        asyncio.run(_until_interrupted(PolicyServer(policy, conventions, batch=batch, notify=say), host, port))
    finally:
        policy.close()
    say("stopped")


serve.__doc__ = (serve.__doc__ or "") + EXAMPLES


async def _until_interrupted(server: "PolicyServer", host: str, port: int) -> None:
    import asyncio
    import signal
    from ipaddress import ip_address

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    about = server.metadata["mstool"]

    def ready(addresses: tuple[str, ...], chosen: int) -> None:
        if not all(ip_address(address).is_loopback for address in addresses):
            say(f"warning: there is no password: anyone who reaches port {chosen} of this machine can use the policy")
        say(f"serving {about['policy']} (layout {about['layout']}) at ws://{host}:{chosen}; Ctrl-C stops")

    await server.run(host, port, ready, stop)
