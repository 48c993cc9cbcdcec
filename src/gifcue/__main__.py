"""`python -m gifcue` is `gifcue`."""

from gifcue.cli import main

if __name__ == "__main__":
    main()
