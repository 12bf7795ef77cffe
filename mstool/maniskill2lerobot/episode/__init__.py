"""One episode, from a demo to a shard.

recipe      everything that decides what a shard holds
source      what an episode's source is, and what it hands out
replay      observations from a simulator
from_states observations from a simulator that is put in the states of the demo file
recorded    observations from the demo file itself
shard       the episode's folder, its marker last
mismatch    what a finished shard was made from, when it no longer fits
"""
