"""The model card of a release: what a reader must know, item by item, and what nobody has stated yet."""
