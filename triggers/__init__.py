"""The triggers: compiling settings to SQL, and planning, applying, checking and removing an installation."""
