"""Pictures of what the origins do."""
