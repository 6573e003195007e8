"""Trying it out: what people would be told, without telling them."""
