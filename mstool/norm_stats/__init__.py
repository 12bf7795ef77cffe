"""Exact normalisation statistics of LeRobot datasets, for openpi and LeRobot; reads parquet columns only.

compute              from dataset folders to statistics and what is wrong with them
configs, schema      what a training config reads, and in which columns
windows, streams     the population that training sees
summary              several streams at once: moments, radix (exact order statistics), shape
quantiles            the definition
findings             all problems, of which problems knows ranges, deltas and relation the actions
check                an existing file beside the exact values
writers, output      the files
images               statistics of images where LeRobot's file lacks them
deviation            what is told of a file that was compared
report, plot         what a person sees
"""
