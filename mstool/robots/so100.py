"""The SO-100, a small arm with five joints and a jaw, as ManiSkill's `so100` is."""

from mstool.robots.base import HandCamera, Robot

SO100 = Robot(
    name="SO-100",
    described="an SO-100, five arm joints and a jaw",
    words=("so100", "so_100", "so-100"),
    # Above the jaws, which reach along -y of this link and open along x: both are in the lower half of the picture.
    hand_camera=HandCamera(
        link="Fixed_Jaw",
        position=(-0.01, 0.0, 0.075),
        quaternion=(0.67082, 0.22361, 0.22361, -0.67082),
        fov=1.4,
    ),
    solved_as=("so100",),
    # The two are one task: the first one's own robot is the SO-100, the second one's is a Panda.
    solutions=dict.fromkeys(
        ("PickCubeSO100-v1", "PickCube-v1"), "mani_skill.examples.motionplanning.so100.solutions.pick_cube"
    ),
)
