"""Simulators, each behind the same small face. A folder is one of them, and nothing outside it imports its libraries.

base         what a simulator and a benchmark are for everybody else
protocol     how others evaluate in one
demos        what a demo is, and a file of them
hdf5         files of demos read within bounds
hdf5_writing written, where the disk may be full
environments what is known of an environment without building it
film         an episode's pictures, one frame or many at a time
benchmarks   those there are, and which of them has an environment
apart        whether they can be built at all, asked in a process of its own
seed_workers seeds attempted in parallel, in their order
attempt_files   what came of each seed, on disk
enough       seeds attempted until enough are solved
capacity     how many simulators this machine bears
libero/      LIBERO on MuJoCo
maniskill/   ManiSkill on SAPIEN
"""
