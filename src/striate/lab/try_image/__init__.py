"""A model asked about one image: its prediction, the evidence for it, and the training images most like it."""
