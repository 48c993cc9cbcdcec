"""`python -m gifcue_lab` runs `gifcue-lab`."""

from gifcue_lab.cli import main

if __name__ == "__main__":
    main()
