"""The command line: each command parses, calls one function, prints.

A module per command; `main` holds them together. `output` is where words go, `vocabulary` the option names, `workers`,
`columns` and `convert_options` what several commands share.
"""
