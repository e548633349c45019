"""What a model reached, from its table of predictions: figures, gates, comparison, pictures, report."""
