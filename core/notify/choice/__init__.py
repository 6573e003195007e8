"""Who is told of what, and when: rules without input or output."""
