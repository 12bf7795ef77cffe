"""How a run went: success of the own episodes against environment steps and minutes, as JSON and as a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mstool.atomic import replace_text, written_aside
from mstool.training.run_folder import CURVE, CURVE_PICTURE

# Episodes that a point of the picture is the mean of.
WINDOW = 64


def played(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the points that are rounds of own episodes; the others tell of learning from demos alone."""
    return [point for point in points if point["episodes"]]


def smoothed(points: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Return at each round the success over the last `WINDOW` episodes, or so many as there are."""
    points = played(points)
    found = []
    for number in range(len(points)):
        solved = episodes = 0
        for point in reversed(points[: number + 1]):
            solved, episodes = solved + point[name], episodes + point["episodes"]
            if episodes >= WINDOW:
                break
        found.append(solved / episodes)
    return found


def write_curve(points: Sequence[dict[str, Any]], about: dict[str, Any], folder: Path) -> None:
    """Write `curve.json`, and `curve.png` of two rounds and more."""
    replace_text(folder / CURVE, json.dumps({**about, "rounds": list(points)}, indent=1) + "\n")
    rounds = played(points)
    if len(rounds) < 2:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (axis, unit) in enumerate((("steps", "environment steps"), ("minutes", "minutes"))):
        axes = figure.add_subplot(1, 2, number + 1)
        for player in dict.fromkeys(name for point in rounds for name in point["played"]):
            own = [{**point["played"][player], axis: point[axis]} for point in rounds if player in point["played"]]
            axes.plot([each[axis] for each in own], [100 * each for each in smoothed(own, "at_end")], label=player)
        begun = next((point[axis] for point in rounds if point["phase"] == "online"), None)
        if begun is not None:
            axes.axvline(begun, color="grey", linestyle=":", label="the policy learns")
        axes.set(xlabel=unit, ylabel=f"ended solved, mean of {WINDOW} (%)", ylim=(0, 102))
        axes.grid(alpha=0.3)
    figure.axes[0].legend(loc="lower right", fontsize=8)
    figure.suptitle(f"{about.get('method', '')} on {', '.join(about.get('envs', []))}", fontsize=10)
    with written_aside(folder / CURVE_PICTURE) as aside:
        figure.savefig(aside, dpi=110)
