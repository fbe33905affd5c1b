"""`striate serve`: one model over HTTP, with a page."""
