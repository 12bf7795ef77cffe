"""Fine-tuning: a validated dataset to a trained policy, by LeRobot's training or the user's openpi.

options, arguments       what was asked, and what of it cannot be
presets                  every value that is not LeRobot's default, and why
prepare                  everything that is checked before anything starts: keys, weights, memory, machine, pictures,
                         gate
plan, plan_text          the whole plan, and how it is told
config                   LeRobot's own config objects
run, resume              the training, and going on with one
run_folder               what the folder of a run holds
hooks                    the one place that reaches into LeRobot's training: batches, checkpoint_sidecar, interrupts,
                         logs
loaders                  the processes that load data
clock                    training by time
expected                 what success was measured, and the loss of a policy that is trained
compiling                how the bundled policy's network launches its passes
publish, policy_card     a checkpoint as a model repository holds it, and its card
held_out                 every checkpoint evaluated while the training waits
held_out_demos           its loss on demos that are not trained on
problems                 what goes wrong inside a training, in words
frame_cache              every frame decoded once
rescaled                 whether the weights that are the start learnt with other norm stats
device_pictures          these frames on the GPU, where they fit
ahead                    the next batch made ready while a step computes
flow/                    the bundled policy
steering                 noise that was learnt for a frozen policy of another type, beside its weights
openpi_engine, openpi/   a script for the user's own openpi
"""
