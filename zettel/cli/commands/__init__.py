"""The commands, some to a file. A file says in ``COMMANDS`` which panel of the help lists which of its commands."""
