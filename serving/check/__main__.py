"""`python -m serving.check URL`."""

from serving.check.checks import main

main()
