"""LIBERO on MuJoCo and robosuite, by `hf-libero` (extra `libero`). Code MIT, tasks and assets CC BY 4.0.

benchmark     its tasks, expert and demos, as the protocol asks for them
tasks         names, sentences, horizons and initial states, read without importing it
probe         what it finds on this machine, for `mstool doctor`
library       its first import: configuration, assets
gl            what it renders with
environment   reset, step, read the robot, take images
substeps      MuJoCo's work of a control step, done once
placements    where it places what no initial state holds
moment        what an observation shows, and when it was so
controller    OSC_POSE's actions, to a command and back
expert        a scripted pick-and-place expert
scene         where things are in its simulator, for the expert
grasp         where the expert takes hold of an object
generate      demos of it, in LIBERO's own kind of file
attempts      its attempts on disk, until there are enough
demos         files of demos, official ones and ours
model_file    the MuJoCo model in an official demo: where its fixtures stood
"""
