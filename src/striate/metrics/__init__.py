"""5 HOW GOOD: scores with their uncertainty. numpy only."""
