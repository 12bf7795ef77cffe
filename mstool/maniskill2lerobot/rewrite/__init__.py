"""Existing datasets back into episodes, and those into other datasets.

stored         a dataset of ours as recipes, episodes, pictures
extract        its episodes as shards
elsewhere      datasets that mstool did not make, carried over as they are
merge_export   the two commands
report         what they tell
"""
