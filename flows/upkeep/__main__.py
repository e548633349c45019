"""`python -m flows.upkeep`."""

from flows.upkeep.command import main

main()
