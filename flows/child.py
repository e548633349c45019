"""A command of Python that ends with the process that started it: `python -m flows.child <process> <module> ...`."""

import runpy
import sys

from pipelines.stage import end_with


def main() -> None:
    """Watch the process, and become the module's command."""
    process, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    end_with(process)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
