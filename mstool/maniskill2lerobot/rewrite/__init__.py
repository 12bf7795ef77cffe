"""Existing datasets back into episodes, and those into other datasets.

stored         a dataset of ours as recipes, episodes, pictures
extract        its episodes as shards
merge_export   the two commands
"""
