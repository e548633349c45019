"""Where the project is: the checkout that owns data, cache, tags and everything a run leaves behind.

A deployed flow runs from a clone of its own and is told the project by FILMGATE_PROJECT; a command runs in it.
"""

import os
from pathlib import Path

VARIABLE = "FILMGATE_PROJECT"
HERE = Path(__file__).resolve().parent.parent


def project() -> Path:
    """The project's folder."""
    named = os.environ.get(VARIABLE)
    return Path(named).resolve() if named else HERE
