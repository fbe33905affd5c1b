"""Train a network from scratch: settings, defaults, fit, artifacts."""
