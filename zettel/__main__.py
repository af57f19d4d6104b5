"""``python -m zettel`` is the command ``zettel``."""

from zettel.cli import main

if __name__ == "__main__":
    main()
