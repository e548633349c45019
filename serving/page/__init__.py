"""The parts of the web page.

`films` knows which films lie on the page and how far each one is; `reading` asks the service about one of them, in a
thread of its own, so that the page stays at hand; `pictures`, `words`, `panels` and `result` say the answer in
pictures, in words, in HTML and on a sheet of paper; `parts` are what the user touches; `screen` lays all of it out.
Of filmgate they know the client alone.
"""
