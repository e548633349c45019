"""Every check of an installation, with one line for each.

python -m flows.doctor

A line begins with `ok`, with `warn` where things work and may not be as meant, or with `FAIL` where something must be
mended; the exit status is 0 where nothing failed, else 1. Nothing is changed, and nothing is sent to anybody.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.doctor import checkout, environment, gpu, locks, machine, versions
from flows.doctor.finding import Check, examine
from flows.doctor.server import Server
from flows.project import project
from flows.strict_dvc import quiet


def checks(root: Path) -> Iterator[Check]:
    """Names and checks of a project, in the order in which a fault is best understood."""
    yield "Python", lambda: machine.python(root)
    yield "packages", lambda: machine.packages(root)
    yield "folders", lambda: machine.writable(root)
    yield "disk", lambda: machine.disk((root, versions.cache_folder(root)))
    yield "clock", lambda: machine.clock(root)
    yield "variables", lambda: environment.variables(os.environ)
    yield "notifications", lambda: environment.notifications(os.environ)
    yield "Dask", lambda: environment.cluster(os.environ)
    yield "git checkout", lambda: checkout.checkout(root)
    yield "git name", lambda: checkout.committer(root)
    yield "edits", lambda: checkout.edits(root)
    yield "recipes", lambda: checkout.chain(root)
    yield "DVC files", lambda: checkout.index(root)
    yield "DVC cache", lambda: versions.cache(root)
    yield "DVC remote", lambda: versions.remote(root)
    yield "workspaces", lambda: locks.workspaces(root)
    yield "DVC lock", lambda: locks.dvc_lock(root)
    yield "git lock", lambda: locks.git_lock(root)
    yield "GPU", gpu.gpu
    yield "ONNX Runtime", gpu.serving_device
    yield from Server(root).checks()


def main(arguments: Sequence[str] | None = None) -> None:
    """Check the installation from the command line; the exit status is 1 when something must be mended."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    quiet("prefect", "apprise")
    sys.exit(0 if examine(checks(project())) else 1)
