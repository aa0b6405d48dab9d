"""What a notebook calls (`start`, `check`, `figures`, `summary`), what is kept of it (`marks`), and the list of `labs`."""
