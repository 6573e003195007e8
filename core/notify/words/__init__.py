"""What people read: a message about one alert, or about several that are folded into it."""
