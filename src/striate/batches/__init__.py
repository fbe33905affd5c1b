"""2 NUMBERS: pixels to what a network sees, and back; batches in an order that is a function of (seed, epoch)."""
