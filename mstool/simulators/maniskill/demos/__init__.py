"""ManiSkill's demo files, and where they come from.

hub         ManiSkill's official demos
generate    demos made here; team attempts seeds in parallel processes
reader      a file of trajectories; listing reads the `.json` beside it, `simulators.hdf5` one trajectory's arrays
recording   the observations that a file may hold
"""
