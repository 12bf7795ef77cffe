"""LeRobot datasets on disk, v2.1 and v3.0: where their files are, what is in them, and how they are replaced.

locate            which folder a path means
description       `meta/info.json`: versions, features, files
columns           numeric columns, a chunk at a time
episode_table     the rows of the episode table
record            what mstool says of a dataset, in a file of its own
conventions       the record and the episodes' origin, as evaluation reads them, of a dataset or a checkpoint
describe          the record restored, where another tool has dropped it
episode_content   an episode recognised by its numbers
fingerprint       one hash of a dataset's content
lerobot_reader    the dataset opened through LeRobot itself
target            the folder that a dataset goes to: checked, locked, filled by one rename
"""
