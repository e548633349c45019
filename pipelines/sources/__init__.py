"""Where images come from: each kind of source gives the records of a manifest."""
