"""The six stages of the chain, and the small modules that they share."""
