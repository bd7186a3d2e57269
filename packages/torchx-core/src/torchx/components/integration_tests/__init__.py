"""Jobs that show whether a scheduler really runs the built-in components."""
