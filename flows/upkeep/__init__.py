"""What may go from the disk of an installation, and its going: `python -m flows.upkeep`.

`rubbish` is one thing that may go; `workspaces`, `bentos`, `leftovers` and `objects` (DVC's cache) find it; `named`
knows which versions git names; `command` shows it, and removes it with `--yes`.
"""
