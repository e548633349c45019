"""Watching the model in production: what the service answers, held against what the model was tested on.

The story, in the order of the modules: a release keeps a `reference`; the prediction `log` is read and cut into
`windows`; each is judged by the `shift` of its statistics, films of one patient counting as what they add (`effect`);
the judgements make a `history`, from which the `policy` says what to do; `truth` comes later, as labels; `health` is
that of the service itself; `sentences`, `charts` and `report` tell of it all.
"""

FILE = "monitoring.parquet"  # of a release: what its model is held against
