"""Whether an installation is sound, and what to mend: `python -m flows.doctor`.

`finding` is how a check answers; `machine`, `gpu`, `environment`, `checkout`, `versions`, `locks` and `server` are the
checks, one small function each; `checks` is all of them in order.
"""
