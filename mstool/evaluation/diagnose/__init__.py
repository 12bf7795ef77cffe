"""Why a policy fails: what it did with its actions, where its states went, what its cameras saw.

recorder    what the policy was asked and what it answered
motion      actions and states beside those of the training data
pictures    what the cameras show beside what they showed
stored      the policy on stored frames, and where it leaves the stored episodes
diagnosis   all of it together
"""
