"""What every room stands on: errors, settings, randomness, the disk, child processes. Never torch, never a room."""
