"""One loop for every net: batches, optimiser, schedule, validation, checkpoints."""
