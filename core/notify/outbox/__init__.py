"""What is kept in Redis until it is told, and by whom it may be taken out."""
