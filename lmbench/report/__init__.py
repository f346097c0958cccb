"""A record, made readable: on a terminal, and as a page with figures. `section/` holds its parts."""
