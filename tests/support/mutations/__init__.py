"""Ways in which a good dataset is broken between recording and storing, as arrays: no file is damaged, no count wrong.

episodes   a dataset as arrays, and back into files with statistics in step
images     what happens to views: time, orientation, colours, noise, episodes that change places
numbers    what happens to state and actions
rows       what happens to whole episodes: cut, joined, repeated, thinned out

Each is a `Mutation`; `EVERY` lists them.
"""

from support.mutations.images import IMAGES
from support.mutations.numbers import NUMBERS
from support.mutations.rows import ROWS

EVERY = (*IMAGES, *NUMBERS, *ROWS)
