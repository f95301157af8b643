"""The start with data of one's own: look at it, prepare it, and write a config that trains."""
