"""The pages of the site that are made from the code when it is built, so that they cannot fall behind it.

markdown      tables and text as Markdown
layouts       layouts.md, from `mstool.layouts`
checks        checks.md, from the checks of `mstool.validators`
faults        pictures of faults, by the functions that make them in the tests
targets       targets.md, from `mstool.validators.targets`
environments  environments.md, from the manifest and the table of environments
commands      commands.md, from the command line
api           api.md, from what `import mstool` offers
notebook      notebook.md, from docs/notebook.ipynb as it was executed
"""

from collections.abc import Callable

from generated_pages import api, checks, commands, environments, faults, layouts, notebook, targets

PAGES: dict[str, Callable[[], str]] = {
    "layouts.md": layouts.page,
    "checks.md": checks.page,
    "targets.md": targets.page,
    "environments.md": environments.page,
    "commands.md": commands.page,
    "api.md": api.page,
    "notebook.md": notebook.page,
}
IMAGES: dict[str, Callable[[], bytes]] = {
    **{faults.path(code): faults.drawn(code) for code in faults.FAULTS},
    **notebook.images(),
}
