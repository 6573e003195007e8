"""One teller for each destination: it takes what waits, has it told, and notes what came of it."""
