"""What is taken where a user says nothing, and the command line's help shows: nothing heavy is imported for it."""

# One of `mstool.layouts`.
DEFAULT_LAYOUT = "libero"
