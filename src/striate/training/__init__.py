"""4 TRAINING: batches and a network in; weights, a journal and checkpoints out."""
