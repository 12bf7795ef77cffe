"""A motion planner in numpy that takes mplib's place in ManiSkill's own solutions.

ManiSkill 3.0.1's solutions plan with mplib 0.1.1, a compiled package that segfaults under numpy >= 2. They
use one of its planners only, the straight screw motion. This package computes the same motion, with the same
rounding, so that one seed gives the same demonstration:

========== ========================================================================
kinematics URDF -> link poses and the spatial Jacobian
rotations  quaternions and matrices, in the precision mplib used under numpy 1
screw      one screw motion from a joint configuration to a pose, as a joint path
retime     a joint path -> joint positions at every control step (TOPP-RA)
planner    `Planner`, with the signature and results that ManiSkill's solvers expect
detour     takes the hand away before a motion, so that a demo begins there and leads back
inject     makes `import mplib` inside ManiSkill's solvers find `Planner`
========== ========================================================================

What is left out: collision checks (ManiSkill gives the planner no scene, and the arm's collisions with itself
never triggered in these solutions) and the sampling planners (no Panda solution calls one).
"""
