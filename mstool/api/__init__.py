"""What Python programs call: `mstool.convert` and its like. The command line calls the same functions.

convert    convert, build: demos to datasets
demos      generate: demos by a planner
claims     what a person says of a dataset, in words or in a file
datasets   merge, export, describe, show: datasets that are there
stats      compute_stats: exact normalisation statistics
validate   validate: would a model understand it
finetune   finetune: a policy trained
improve    improve: a policy made better by its own episodes
evaluate   evaluate, compare: how often a policy succeeds
hub        push, pull
arguments  what all of them take

Every option of a command is an argument of the same name here, and the other way round; paths may be strings. What is
wrong is raised as a `MstoolError`, whose `fix` says what puts it right. Results are frozen dataclasses.
"""

from mstool.installation import check_opencv

check_opencv()
