"""Reinforcement learning on top of imitation: a trained policy, its own episodes, a better policy.

options, prepare, seeds     what was asked, everything that is checked first, which seeds are learnt from
estimate, plan              memory and time, and how they are told
run, learner, schedule      the command's own logic, what learns in it, its phases
players                     who plays own episodes, and whose weights come out
course, curve, report       how a run has gone, its picture, what came out
rollouts, acting            episodes by `eval`'s workers, and the policy that answers them
demos, replay, rows, rewards   what is learnt from: encoded frames, action chunks, rewards
method, flow_head, critic, recording   what every way to learn has in common; their networks as CUDA graphs
fql, best_of_n, bc_success, dsrl, kinds   the ways, and which policies each is for
frozen_policy               what the policy that is improved sees and draws
saving, resuming, began, policy_files   checkpoints, and going on from them as the run began
"""
