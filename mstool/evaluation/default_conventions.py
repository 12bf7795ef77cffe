"""Conventions for a policy that was trained on nothing: the default layout on the task's own robot."""

from collections.abc import Sequence

from mstool.dataset.conventions import Conventions
from mstool.dataset.record import Record
from mstool.layouts import DEFAULT_LAYOUT, get_layout
from mstool.simulators.base import SimulatorSpec
from mstool.simulators.benchmarks import build_simulator


def plain_conventions(env_ids: Sequence[str], layout_name: str = DEFAULT_LAYOUT) -> Conventions:
    """Ask each task's simulator for its robot and controller.

    Raises
    ------
    UsageError
        A task's robot cannot be driven in the layout's first control mode.

    """
    layout = get_layout(layout_name)
    mode = layout.control_modes[0]
    robots: dict[str, str] = {}
    controllers: dict[str, dict[str, float]] = {}
    fps = 0
    for env_id in env_ids:
        simulator = build_simulator(SimulatorSpec(env_id, mode))
        try:
            layout.check_robot(simulator.robot_facts())
            robots[env_id], fps = simulator.robot, simulator.fps
            controllers[env_id] = simulator.controller_facts().as_dict()
        finally:
            simulator.close()
    return Conventions(
        dataset="(none)",
        fps=fps,
        features={
            "observation.state": {"dtype": "float32", "shape": [len(layout.state)]},
            "action": {"dtype": "float32", "shape": [len(layout.action(mode))]},
        },
        record=Record(
            layout=layout_name,
            control_mode=mode,
            controller=controllers[env_ids[0]],
            controllers=controllers,
            robot=robots[env_ids[0]],
            robots=robots,
            goal="visible",
            views={camera.lerobot: camera.view for camera in layout.cameras},
            image_size=layout.image_size,
        ),
        episodes=[],
    )
