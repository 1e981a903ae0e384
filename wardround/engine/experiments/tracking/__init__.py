"""Programs that keep the values of many runs side by side, and what runs tell them: MLflow, Weights & Biases."""
