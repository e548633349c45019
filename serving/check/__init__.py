"""Whether a live service does what it promises: `python -m serving.check URL`.

`live` asks it, `contract` knows the shape of its answers, `latency` how quickly they come; `checks` are all of it.
"""
