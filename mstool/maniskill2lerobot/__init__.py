"""ManiSkill demos to LeRobot datasets: demos -> replay -> episode shards -> dataset on disk."""
