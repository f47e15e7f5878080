"""`python -m ocaptain` is `ocaptain`."""

from ocaptain.cli import main

main()
