"""Judging the sample log: what the triggers do not judge themselves, one thread judges in order, many rows at once."""
