"""The options that `mstool convert` and `mstool build` share."""

from pathlib import Path
from typing import Annotated

import typer

Demos = Annotated[
    str | None,
    typer.Option(
        help="ManiSkill's .h5, LIBERO's _demo.hdf5 (or the folder that holds it), `hub`, or `generate`; for several "
        "environments a folder with one folder per environment. Default: local cache, else the hub if it answers "
        "quickly, else generate.",
    ),
]
Episodes = Annotated[
    int | None,
    typer.Option(
        "--episodes", "-n", min=1, help="How many demos to convert per environment. Default: all (10 when generated)."
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="First seed of generated demos.", show_default="0, in LIBERO 1000")
]
RepoId = Annotated[str | None, typer.Option(help="The dataset's name on a hub.", show_default="local/NAME")]
LayoutName = Annotated[str, typer.Option("--layout", help="What state and actions mean, see `mstool layouts`.")]
ControlMode = Annotated[
    str | None,
    typer.Option(help="Controller that executes the stored actions.", show_default="the layout's first"),
]
ImageSize = Annotated[
    str | None, typer.Option(help="Pixels: 256 for a square, or HEIGHTxWIDTH.", show_default="the layout's")
]
Cameras = Annotated[
    str | None,
    typer.Option(
        help="Views to render, comma-separated: base, base2, wrist, wrist_left, wrist_right; with --layout native the "
        "environment's own cameras too (mstool envs ENV).",
        show_default="the layout's",
    ),
]
GoalMode = Annotated[
    str, typer.Option("--goal", help="Hidden goal markers: visible, hidden, or state (position stored).")
]
Horizon = Annotated[int | None, typer.Option(min=1, help="Drop longer episodes.", show_default="the manifest's")]
HoldSteps = Annotated[
    int,
    typer.Option(
        min=0,
        max=1000,
        help="Go on for so many steps after a demo's end, staying where it led: demos end when the task is solved, and "
        "nothing else teaches a policy to stay. 15 to 20; recorded.",
    ),
]
ObservationsFrom = Annotated[
    str,
    typer.Option(
        "--observations",
        help="`replayed`: execute and render the demo. `recorded`: take the images the .h5 already holds. `states`: "
        "render the states it holds.",
    ),
]
FromStates = Annotated[
    bool,
    typer.Option(
        "--from-states",
        help="For demos that do not succeed when executed again, as a GPU simulation's: render the recorded states and "
        "convert each action from its own; success is what the file says. Short for --observations states.",
    ),
]
RenderDetail = Annotated[
    str,
    typer.Option(
        help="`full`: ManiSkill's own meshes. `fast`: robot and floor simplified (hand and fingers stay whole), "
        "2.2 to 2.6 times faster on a CPU; recorded, and evaluation does the same.",
    ),
]
Format = Annotated[str, typer.Option("--format", help="LeRobot version: v3.0, v2.1 (openpi), or both.")]
StorageKind = Annotated[
    str | None,
    typer.Option("--storage", help="Images as video or image.", show_default="video for v3.0, image for v2.1"),
]
VideoProfileName = Annotated[
    str | None,
    typer.Option(
        "--video-profile",
        help="`exact`: H.264 with full colour resolution, for training. `portable`: what browsers and hardware "
        "decoders play; small objects lose colour.",
        show_default="exact",
    ),
]
PerTask = Annotated[bool, typer.Option("--per-task", help="One dataset per environment instead of one for all.")]
ExecutorName = Annotated[
    str,
    typer.Option("--executor", help="Who does the work: this machine's processes (local), or a Ray cluster (ray)."),
]
RayAddress = Annotated[
    str,
    typer.Option(help="The cluster's HOST:PORT; auto: the one this machine belongs to. Its nodes share --output."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what an interrupted run finished.")]
SkipInvalid = Annotated[bool, typer.Option("--skip-invalid", help="Drop damaged demos instead of stopping.")]
KeepFailures = Annotated[
    bool,
    typer.Option(
        "--keep-failures", help="Keep episodes that do not solve their task too; the record marks each of them."
    ),
]
KeepNoops = Annotated[bool, typer.Option("--keep-noops", help="Keep steps of LIBERO's own demos that ask for nothing.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the dataset that is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the dataset.", show_default="data/NAME")]
