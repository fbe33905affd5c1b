"""Fine-tuning: one file for each strategy."""
