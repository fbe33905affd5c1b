"""Each of the origins on its own task: what `striate origins NAME` runs, says and draws."""
