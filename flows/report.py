"""Open the report of a recipe in a browser, or name it where there is no screen.

python -m flows.report --recipe demo
"""

import argparse
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Find the report; the exit status is 1 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="demo", help="a name in params.yaml")
    recipe = parser.parse_args(arguments).recipe
    report = ROOT / "data" / recipe / "evaluation" / "report.html"
    if not report.is_file():
        print(
            f"error: There is no report {report}. Make it: python -m flows.retrain --recipe {recipe}",
            file=sys.stderr,
        )
        sys.exit(1)
    print(report)
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(report.as_uri())


if __name__ == "__main__":
    main()
