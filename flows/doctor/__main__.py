"""`python -m flows.doctor`."""

from flows.doctor.checks import main

main()
