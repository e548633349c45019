"""How a model leaves its framework: one ONNX file with probability, heatmap and familiarity, proven equal."""
