"""A compact flow-matching policy, trainable from scratch; registered in LeRobot as the policy type `flow`."""
