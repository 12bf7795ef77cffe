"""Who converts the episodes.

job                        one episode as a unit of work, and the worker that does it
local                      processes of this machine
ray, ray_cluster, ray_worker   the same on a cluster's nodes
"""
