"""Kelley, Bryson & Dreyfus 1960-1962: gradients by adjoint equations."""
