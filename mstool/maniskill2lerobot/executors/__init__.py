"""Who converts the episodes.

base          what an executor is
choose        which one `--executor` names
job           one episode as a unit of work, and the worker that does it
local         processes of this machine
ray           actors of a cluster: ray_cluster asks what it has, ray_worker is what runs there
"""
