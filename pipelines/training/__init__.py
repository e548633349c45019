"""How a model is trained: batches, phases, checkpoints, and the learner that a recipe chooses."""
