"""A model and an index in, a page and a JSON API to search with out. Alone in importing a web framework."""
