"""ManiSkill and SAPIEN behind one small face. Nothing outside this package imports either of them.

registry, build         ManiSkill loaded once, its environments built in one place
environment             the face: reset, step, read the robot, take images
robots, cameras         what stands in a scene
devices, capacity       where it renders, and how many at once
render_detail           fewer triangles: meshes makes them, mesh_cache keeps them
action_conversion       demo actions in another control mode
replay_dataset          stored actions, executed again
planner/, solve, record   ManiSkill's own solutions, and their demos
probe                   whether SAPIEN renders here
"""
