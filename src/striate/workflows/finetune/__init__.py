"""Train a classifier from pretrained weights, by one strategy or several compared."""
