"""layouts.md: what state, actions and cameras mean, from the layouts themselves."""

from collections.abc import Iterator, Sequence

from generated_pages.markdown import code, codes, table, text
from mstool.layouts import DEFAULT_LAYOUT, LAYOUTS, Layout, VectorMeaning
from mstool.layouts.facts import ActionFacts

INTRODUCTION = """# Layouts and conventions

A layout says what state, actions and cameras of a dataset mean, in which units and senses. `mstool convert --layout
LAYOUT` writes it and records it in `meta/mstool/record.json`; evaluation reads the record and inverts the layout
exactly. Frame t is the observation before action t. Images are upright RGB.

`mstool layouts` prints the same, `mstool layouts --json` for programs. This page is made from the code.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([INTRODUCTION, _overview(), _differences(), *(_layout(each) for each in LAYOUTS.values())])


def _overview() -> str:
    rows = []
    for each in LAYOUTS.values():
        name = f"[{each.name}](#{each.name})" + (" (default)" if each.name == DEFAULT_LAYOUT else "")
        modes = codes(each.control_modes) or "any, as the demo has"
        openpi = code(each.openpi.config) if each.openpi else ""
        rows.append([name, text(each.summary), modes, openpi])
    return table(["layout", "what it is", "control modes", "openpi's config"], rows)


def _differences() -> str:
    """Lay out the facts in which layouts differ and which no loss shows."""
    rows = []
    for each in LAYOUTS.values():
        for mode in each.control_modes:
            facts = each.action_facts(mode)
            gripper = f"{facts.gripper.open:+g} opens, {facts.gripper.closed:+g} closes"
            rows.append(
                [f"{code(each.name)} in {code(mode)}", text(facts.kind.replace("_", " ")), _unit(facts), gripper]
            )
    words = "\nWhat differs, and what a training cannot see from its loss:\n\n"
    return words + table(["actions of", "they are", "1.0 is", "gripper"], rows)


def _unit(facts: ActionFacts) -> str:
    sizes = [
        f"{facts.position_m:g} m" * bool(facts.position_m),
        f"{facts.rotation_rad:g} rad" * bool(facts.rotation_rad),
        f"{facts.joint_rad:g} rad" * bool(facts.joint_rad),
        f"{facts.joint_rad_per_s:g} rad/s" * bool(facts.joint_rad_per_s),
    ]
    return ", ".join(size for size in sizes if size) or "1 rad"


def _layout(layout: Layout) -> str:
    return "\n".join(
        [f"## {layout.name}\n", text(layout.summary[:1].upper() + layout.summary[1:]) + ".\n", *_tables(layout)]
    )


def _tables(layout: Layout) -> Iterator[str]:
    if layout.state.names:
        yield "State:\n"
        yield _vector(layout.state)
    for mode in layout.control_modes:
        yield f"Action in {code(mode)}:\n"
        yield _vector(layout.action(mode))
    if not layout.state.names:
        yield "State and action are the robot's own, as it names them.\n"
    height, width = layout.image_size
    yield f"Cameras, {height} x {width} unless `--image-size` says otherwise:\n"
    rows = [[code(c.view), code(c.openpi), code(c.lerobot)] for c in layout.cameras]
    yield table(["view", "column in v2.1 (openpi)", "column in v3.0 (LeRobot)"], rows)
    yield "Conventions:\n"
    yield table(
        ["of", "convention"],
        [[text(name.replace("_", " ")), text(words)] for name, words in layout.conventions.items()],
    )


def _vector(vector: VectorMeaning) -> str:
    return table(["dimension", "name", "unit"], _dimensions(vector.names, vector.units))


def _dimensions(names: Sequence[str], units: Sequence[str]) -> Iterator[list[str]]:
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        yield [str(i), code(name), text(unit)]
