"""LeRobot datasets on disk, v2.1 and v3.0: where their files are and what is in them. Nothing else reads or names them.

files             the name of every file, LeRobot's and ours, and how the small ones are read
unreadable        why a file cannot be read, and what to do
locate            which folder a path means
links             links that lead out of a dataset
names             OWNER/NAME, what a dataset is called on a hub
info              the description: version, sizes, features
episode_table     the rows of the episode table and of the task table
episode_log       where each episode comes from
histograms        how often each value occurs in the images of every episode, which keeps statistics exact
frames            pictures, from videos or from parquet
media             videos and images, opened within bounds
parquet_files     parquet files, opened within bounds
column_names      which columns are the state and the actions
columns           numeric columns, a chunk at a time
vectors           the state and the actions of an episode
description       the numeric features and data files that statistics are computed of
formats/          datasets written, in every version of the format
view              all of it, part by part, of a dataset that may be damaged
training          what training must know
training_stats    what a policy was normalised with: a dataset's statistics, or a checkpoint's
record            what mstool says of a dataset, in a file of its own
conventions       the record and the episodes' origin, as evaluation reads them, of a dataset or a checkpoint
describe          the record restored, where another tool has dropped it
episode_content   an episode recognised by its numbers
fingerprint       one hash of a dataset's content
lerobot_reader    the dataset opened through LeRobot itself
target, own_files the folder that a dataset goes to: checked, locked, filled by one rename; what may be replaced in it
"""
