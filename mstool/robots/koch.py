"""The Koch v1.1, a small arm with five joints and a jaw, as ManiSkill's `koch-v1.1` is."""

from mstool.robots.base import HandCamera, Robot

KOCH = Robot(
    name="Koch",
    described="a Koch, five arm joints and a jaw",
    words=("koch",),
    # Beside the jaws, which reach along -z of this link and open along x: both are in the lower half of the picture.
    hand_camera=HandCamera(
        link="link_6",
        position=(-0.008, 0.06, 0.0),
        quaternion=(-0.29547, 0.64242, -0.64242, -0.29547),
        fov=1.4,
    ),
)
