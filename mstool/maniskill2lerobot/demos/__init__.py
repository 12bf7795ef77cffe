"""Where demos come from: a file, the hub, or the planner."""
