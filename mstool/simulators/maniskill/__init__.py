"""ManiSkill on SAPIEN.

benchmark               its tasks, planners and demos, as `mstool.simulators.base.Benchmark` asks for them
registry, imported, build   ManiSkill loaded once, whatever MUJOCO_GL says, its environments built in one place
environments            what is known of them all without building one
environment             reset, step, read the robot, take images
controller              what its actions are in metres and radians
robots, views, cameras  what stands in a scene, and from where it is seen
states                  a scene put in a demo's state
verdict, hand_pose, no_gradients   ManiSkill's step without what nobody asked for
devices                 where it renders
shaders                 what its pictures are drawn with
filming                 many frames rendered at a time on a GPU: picture_batch, of copies of the scene (scene_copy)
render_detail           fewer triangles: meshes makes them, mesh_cache keeps them
action_conversion       demo actions in another control mode, by way of the joint_targets of their own
holding                 the action with which a robot stays where it is
planner/, solve, record   ManiSkill's own solutions, and what they do written down
correct                 how they go on from where a policy came to
demos/                  its files of demos, official or made here
probe                   whether SAPIEN renders here
"""
