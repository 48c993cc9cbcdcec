"""`python -m gifcue_lab` is `gifcue-lab`."""

from gifcue_lab.cli import main

if __name__ == "__main__":
    main()
