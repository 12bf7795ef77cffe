"""The policies there are, behind the protocol of `mstool.evaluation.policy`.

choose          from the words of `--policy` to a policy
checkpoint      which folder of a run holds the checkpoint
lerobot         a LeRobot checkpoint
openpi_server   a server that speaks openpi's protocol
baselines       a dataset's own actions, random actions
"""
