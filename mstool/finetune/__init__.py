"""Fine-tuning: a validated dataset to a trained policy, by LeRobot's training or the user's openpi."""
