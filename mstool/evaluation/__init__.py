"""Closed-loop evaluation: policies behind one protocol, batched over parallel environments.

request, evaluate       what was asked, and the command's own logic
plan                    tasks, seeds, sentences, horizons
policy, policies/       what a policy is, and those there are
openpi/                 openpi's protocol, from both sides
scene, rollout          an environment in a dataset's terms, and one episode in it
demos                   demos from a policy's successful episodes
replay_dataset          a dataset's stored actions, executed again
chunks                  from action chunks to single actions
worker, runner, play    one process, all of them, and the episodes that are left
configuration           what decides the outcomes, and its fingerprint
outcomes, summary, results   how episodes ended, and what follows
kept                    where results lie: a place for each configuration
phases                  in which phase one failed
published               what others report of a suite
statistics, compare     intervals, and two evaluations side by side
markdown_report         the results as a page
filmstrip               the results as images
diagnose/               why a policy fails
checkpoint_features     whether a checkpoint fits its conventions
default_conventions     conventions for a policy that was trained on nothing
ready                   whether its environments can be played at all, asked beforehand
needs                   what a checkpoint needs from elsewhere
lerobot_env, gym_env    the same environment for LeRobot's commands
"""
