"""Small plots as SVG text, for a page that loads nothing."""

import numpy as np

from mstool.contract import Array
from mstool.markup import html_text
from mstool.validators.report import Curve

_WIDTH, _HEIGHT = 380, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 10, 40
COLOURS = ("#1f6feb", "#d1481f", "#1a7f37", "#8250df", "#9a6700", "#0a7ea4", "#bf3989", "#57606a")


def plot(curve: Curve) -> str:
    """Draw lines or points with both axes labelled and their ends given."""
    xs = np.concatenate([np.asarray(x, float) for _, x, _ in curve.lines])
    ys = np.concatenate([np.asarray(y, float) for _, _, y in curve.lines])
    fine = np.isfinite(xs) & np.isfinite(ys)
    if not fine.any():
        return ""
    x_range, y_range = _range(xs[fine]), _range(ys[fine], above=0.2)
    parts = [
        f"<svg width={_WIDTH} height={_HEIGHT} viewBox='0 0 {_WIDTH} {_HEIGHT}' font-family=sans-serif font-size=11>"
    ]
    parts.append(
        f"<rect x={_LEFT} y={_TOP} width={_WIDTH - _LEFT - _RIGHT} height={_HEIGHT - _TOP - _BOTTOM} "
        "fill=#fff stroke=#ccd />"
    )
    for number, (name, x, y) in enumerate(curve.lines):
        colour = COLOURS[number % len(COLOURS)]
        px, py = (
            _place(np.asarray(x, float), x_range, _LEFT, _WIDTH - _RIGHT),
            _place(np.asarray(y, float), y_range, _HEIGHT - _BOTTOM, _TOP),
        )
        good = np.isfinite(px) & np.isfinite(py)
        points = [f"{a:.1f},{b:.1f}" for a, b in zip(px[good], py[good], strict=True)]
        if curve.scatter:
            parts += [
                f"<circle cx={p.split(',')[0]} cy={p.split(',')[1]} r=1.8 fill={colour} opacity=.55 />" for p in points
            ]
        else:
            parts.append(f"<polyline fill=none stroke={colour} stroke-width=1.5 points='{' '.join(points)}'/>")
        parts.append(
            f"<text x={_LEFT + 8 + 110 * (number % 3)} y={_TOP + 14 + 13 * (number // 3)} "
            f"fill={colour}>{html_text(name)}</text>"
        )
    parts += _axes(curve, x_range, y_range)
    return "".join([*parts, "</svg>"])


def _axes(curve: Curve, x_range: tuple[float, float], y_range: tuple[float, float]) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    middle = (_TOP + bottom) / 2
    y_label = html_text(curve.y_label)
    return [
        f"<text x={_LEFT} y={bottom + 15}>{x_range[0]:.3g}</text>",
        f"<text x={_WIDTH - _RIGHT} y={bottom + 15} text-anchor=end>{x_range[1]:.3g}</text>",
        f"<text x={(_LEFT + _WIDTH) / 2} y={bottom + 30} text-anchor=middle>{html_text(curve.x_label)}</text>",
        f"<text x={_LEFT - 5} y={bottom} text-anchor=end>{y_range[0]:.3g}</text>",
        f"<text x={_LEFT - 5} y={_TOP + 10} text-anchor=end>{y_range[1]:.3g}</text>",
        f"<text x=14 y={middle} text-anchor=middle transform='rotate(-90 14 {middle})'>{y_label}</text>",
    ]


def _range(values: Array, above: float = 0.05) -> tuple[float, float]:
    """Return least and greatest value with room around them; above, for the names of the lines."""
    low, high = float(values.min()), float(values.max())
    gap = high - low or 10.0
    return low - 0.05 * gap, high + above * gap


def _place(values: Array, span: tuple[float, float], start: float, end: float) -> Array:
    result: Array = start + (values - span[0]) / (span[1] - span[0]) * (end - start)
    return result
