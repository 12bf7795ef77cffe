"""`mstool doctor`: what this machine has, what it lacks, and the command that puts it right.

examine            all lines together
repair             what `--fix` does
line               one thing that a machine has, lacks, or has in a way that costs something
machine            processors, GPU, disk
versions           installed packages
vulkan, rendering  drivers, and what SAPIEN renders on
libero             what the extra `libero` needs
video              encoders and decoders
hub                the endpoint and the token
"""
