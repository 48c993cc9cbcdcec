"""The laboratory: datasets, synthesis, training, evaluation and export. `gifcue` never imports it."""
