"""ManiSkill demos to LeRobot datasets: demos -> replay -> episode shards -> dataset on disk.

episode/      one episode, from a demo to a shard
pictures/     images as they are stored
executors/    who converts the episodes
writers/      datasets from finished episodes
rewrite/      existing datasets back into episodes: merge and export
demos         where an environment's demos come from
options       from what a user typed to a recipe
possible      whether each environment can have what is asked of all
plan          from environments to batches, and from batches to datasets
batches       demos of one environment
convert       the conversion itself
dropped       what is said of demos that are not kept
resume        what an interrupted one left
report        what was done
"""
