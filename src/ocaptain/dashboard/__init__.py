"""A voyage in a browser: live, from a server on this machine, or as a file that is kept."""
