"""LeRobot datasets on disk, v2.1 and v3.0: what else knows their files goes through here.

locate       the dataset that a path means, or which other path is meant
names        OWNER/NAME, as LeRobot and hubs call a dataset
record       what `mstool` says of a dataset's numbers, in a file of its own
describe     the record restored, where another tool has dropped it
episode_content  an episode recognised by its numbers
"""
