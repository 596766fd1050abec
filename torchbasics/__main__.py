"""`python -m torchbasics`."""

from torchbasics.cli import main

if __name__ == "__main__":
    main()
