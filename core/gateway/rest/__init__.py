"""What the gateway answers over plain HTTP: entities, pegs, events, state, and what describes its interfaces."""
