"""The policies there are, behind the protocol of `mstool.evaluation.policy`.

choose          from the words of `--policy` to a policy
checkpoint      which folder of a run holds the checkpoint
lerobot         a LeRobot checkpoint: lerobot_checkpoint loads it
own_inputs      a checkpoint that no dataset describes, in the names of its own inputs
openpi_server   a server that speaks openpi's protocol
baselines       a dataset's own actions, random actions
"""
