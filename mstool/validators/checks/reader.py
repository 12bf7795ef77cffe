"""MS902: LeRobot's own reader over some frames, the last word on whether it reads the dataset."""

from collections.abc import Iterator

import numpy as np

from mstool.validators.check import Check, Context, Skip, register
from mstool.validators.report import Issue, Note

# Frames that are read, spread evenly, beside the first and last of episodes; each costs LeRobot a seek in every video.
_FRAMES = 32


@register
class LeRobotReads(Check):
    """MS902."""

    code, family = "MS902", "replay"
    title = "LeRobot's own reader reads the dataset"
    meaning = "what LeRobot raises here, it raises in a training"
    fix = "what the other checks found first; else what LeRobot says"

    def run(self, context: Context) -> Iterator[Issue | Note]:
        """Make the dataset as lerobot-train does, and read frames; their prompt must be the episode's sentence."""
        data = context.data
        if not context.open_it:
            raise Skip("not asked for (--open)")
        if data.version != "v3.0":
            raise Skip("LeRobot 0.6.1 reads v3.0 alone")
        from mstool.dataset.lerobot_reader import read_frames

        ends = np.cumsum([row.length for row in data.episodes])
        if not ends.size or not ends[-1]:
            raise Skip("there are no frames")
        shown = {row.index for row in data.pictured}
        edges = [
            end - k for end, row in zip(ends, data.episodes, strict=True) if row.index in shown for k in (row.length, 1)
        ]
        frames = sorted({int(i) for i in (*edges, *np.linspace(0, ends[-1] - 1, _FRAMES).round())})
        read = 0
        for found in read_frames(data.root, frames):
            if found.error:
                yield Issue(f"LeRobot: {found.error}", frame=found.frame, episode=found.episode)
                continue
            read += 1
            if found.prompt is not None and data.tasks and found.prompt not in {task for _, task in data.tasks}:
                yield Issue(
                    "LeRobot reads another prompt than the task table holds",
                    episode=found.episode,
                    feature="task",
                    observed=repr(found.prompt),
                    expected="a sentence of the task table",
                )
        yield Note(f"{read} of {len(frames)} frames read")
