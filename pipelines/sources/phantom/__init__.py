"""Phantom chest films: drawn data for the demo, with the outline of every pneumonia known.

The story, in the order of the modules: a `patient` is admitted to a `hospital` with an `anatomy`, perhaps a `disease`
and some `harmless` marks; the `chest` sums `thorax`, `bones` and `vessels` along the rays, on a `canvas`; a `film` is
exposed and developed from it; `draw` does so for all patients.

A pixel is what an X-ray detector measures: thickness maps in centimetres are summed, weakened rays and scatter are
added, and the logarithm is shown in greys. The measures are made up to look right; nothing here is fit to teach
anything about real patients.
"""
