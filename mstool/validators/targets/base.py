"""What a consumer of datasets expects, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expectation[T]:
    """A value, and where it was read: project, file, version."""

    value: T
    source: str


@dataclass(frozen=True)
class Target:
    """One consumer: which files and columns it reads, what it thinks they mean, how much fits into it."""

    name: str
    summary: str
    # LeRobot versions that it opens.
    versions: Expectation[tuple[str, ...]]
    # Alternatives of columns that make up the state, and the actions; the first that is there is read.
    state: Expectation[tuple[tuple[str, ...], ...]]
    actions: Expectation[tuple[tuple[str, ...], ...]]
    # Camera columns that must be there, by exact name; empty where any name will do.
    cameras: Expectation[tuple[str, ...]]
    # The fewest cameras.
    min_cameras: Expectation[int]
    # The layout of `mstool.layouts` whose meaning the model was trained on; "" takes what the dataset declares.
    layout: Expectation[str]
    # Control mode that names the meaning of its actions within the layout.
    control_mode: str
    # Number of dimensions; None for any up to the maximum.
    state_dims: Expectation[int | None]
    action_dims: Expectation[int | None]
    max_dims: Expectation[int]
    # Actions per training window.
    chunk: Expectation[int]
    # Tokens for prompt and, with `state_in_prompt`, the discretised state.
    max_tokens: Expectation[int]
    state_in_prompt: Expectation[bool]
    # Where normalisation statistics are read: openpi's file, or LeRobot's.
    stats: Expectation[str]
    # Those that it normalises state and actions by.
    stats_names: Expectation[tuple[str, ...]] = Expectation((), "none is read")
    # Targets that ask nothing more: a dataset that is valid for this one is for them.
    includes: tuple[str, ...] = ()
    # Whether a language instruction is needed at all.
    needs_prompt: bool = True
    # (height, width) the model was trained on, None for any.
    image_size: Expectation[tuple[int, int] | None] = Expectation(None, "any size is resized to 224x224 with padding")
    # Control frequency of the simulator that produced the data, None for any.
    fps: Expectation[int | None] = Expectation(None, "read nowhere")
    # What the dataset that it was trained on says of itself, where it may differ: told, and held against nothing.
    trained_fps: Expectation[int | None] = Expectation(None, "not known")
    trained_image_size: Expectation[tuple[int, int] | None] = Expectation(None, "not known")
    # A column that the consumer reads under another name only, and what it needs instead: for the advice.
    advice: str = ""
