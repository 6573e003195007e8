"""That somebody looks after an alert, and who is told where nobody does."""
