"""`python -m ocaptain` is `ocaptain`."""

from ocaptain.cli import main

if __name__ == "__main__":
    main()
