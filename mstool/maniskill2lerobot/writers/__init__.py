"""Datasets from finished episodes.

features     the description's feature table, the columns of both formats
episodes     an episode's rows and statistics
v3, v21      the two formats
provenance   the record, and the line that every episode has in the log
histograms   what exact image statistics are made of
assemble     every format from the same episodes, renamed into place
"""
