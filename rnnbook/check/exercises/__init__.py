"""The exercises of each chapter: NAME.py has the mathematics of its checkers, NAME.toml what they say."""
