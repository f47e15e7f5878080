"""A voyage as it goes on: what changes, line by line, and a live board in the terminal."""
