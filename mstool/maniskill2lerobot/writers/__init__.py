"""Datasets from finished episodes.

features     the columns of each format, and the description's table of them
episodes     episodes as `mstool.dataset.formats` writes them
provenance   the record, and the line that every episode has in the log
assemble     every format from the same episodes, renamed into place
"""
