"""Training steps of real models: each library's own code from the same weights, on the same batches."""
