"""Datasets that mstool did not make, in other formats and joined: every column is carried over as it is.

source        such a dataset, opened
rows          the rows of an episode
videos        where an episode's pictures are; encoded again where they cannot be taken out
storage       pictures stored in the other way, video or image
image_stats   statistics of pictures: those that are there, else of every picture
repeated      episodes that several of them hold
differences   what keeps datasets from being one
episodes      episodes as `mstool.dataset.formats` writes them
records       the parts' records as one, where they have them and agree
description   what the result says of itself
carry         datasets to a dataset
commands      what can be asked, and what keeps datasets from fitting
"""
