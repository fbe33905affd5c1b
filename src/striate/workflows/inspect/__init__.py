"""Look inside a trained model: filters, units, one image."""
