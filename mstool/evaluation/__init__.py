"""Closed-loop evaluation in ManiSkill: policies behind one protocol, batched over parallel environments."""
