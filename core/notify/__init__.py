"""Telling people: alerts are taken from a queue or the stream, kept in an outbox, and told to each destination."""
