"""What is different where an image may have several labels: scores, evaluation, predictions, report."""
