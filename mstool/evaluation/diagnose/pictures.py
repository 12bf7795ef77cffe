"""Whether the cameras show what they showed in training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mstool.contract import Array
from mstool.evaluation.diagnose.recorder import Trace

# A picture with no brighter pixel is black; with a spread below, it shows nothing. Of 255.
BLACK, FLAT = 8, 2.0
# Stored video loses down to about 28 dB; another camera or scene is far below.
CHANGED_DB = 22.0


def look_at_pictures(traces: Sequence[Trace]) -> tuple[list[dict[str, Any]], list[str]]:
    """Find views that are black, flat, or never change: rows of a table, and findings."""
    rows, findings = [], []
    for view in dict.fromkeys(view for trace in traces for view in trace.first):
        shown = [trace for trace in traces if view in trace.first]
        pictures = [trace.first[view] for trace in shown]
        brightest, spread = max(int(p.max()) for p in pictures), float(np.mean([p.std() for p in pictures]))
        still = sum(not trace.moved[view] for trace in shown if len(trace.steps) > 1)
        looked = sum(len(trace.steps) > 1 for trace in shown)
        rows.append(
            {
                "view": view,
                "mean": float(np.mean([p.mean() for p in pictures])),
                "spread": spread,
                "brightest": brightest,
                "still_episodes": still,
                "episodes": len(shown),
            }
        )
        if brightest <= BLACK:
            findings.append(f"camera {view} is black: mstool doctor tells whether rendering works")
        elif spread < FLAT:
            findings.append(f"camera {view} shows one colour: mstool doctor tells whether rendering works")
        if looked and still == looked:
            findings.append(f"camera {view} never changes during an episode: it is frozen, or the robot does not move")
    return rows, findings


def compare_first_pictures(
    seen: Mapping[tuple[str, int], Mapping[str, Array]], stored: Mapping[tuple[str, int], Mapping[str, Array]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Compare the first pictures of the same training seeds, rendered now and stored then, as PSNR in dB."""
    rows: list[dict[str, Any]] = []
    for (env_id, seed), views in stored.items():
        for view, then in views.items():
            now = seen.get((env_id, seed), {}).get(view)
            if now is None:
                continue
            likeness = psnr(now, then) if now.shape == then.shape else 0.0
            rows.append({"env_id": env_id, "seed": seed, "view": view, "psnr_db": likeness})
    findings = []
    for view in dict.fromkeys(str(row["view"]) for row in rows):
        own = [float(row["psnr_db"]) for row in rows if row["view"] == view]
        if np.median(own) < CHANGED_DB:
            findings.append(
                f"camera {view} does not show what the dataset holds ({np.median(own):.0f} dB at the first frames of "
                "its own seeds): camera, scene or rendering has changed"
            )
    return rows, findings


def psnr(first: Array, second: Array) -> float:
    """Return the peak signal-to-noise ratio of two uint8 pictures, dB; 99 for equal ones."""
    error = float(((first.astype(np.float64) - second.astype(np.float64)) ** 2).mean())
    return 99.0 if error == 0 else round(float(10 * np.log10(255**2 / error)), 2)
