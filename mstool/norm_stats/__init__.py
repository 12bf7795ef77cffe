"""Exact normalisation statistics of LeRobot datasets, for openpi and LeRobot; reads parquet columns only."""
