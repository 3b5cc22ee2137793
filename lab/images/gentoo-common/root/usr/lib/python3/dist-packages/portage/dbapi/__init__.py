"""The databases of packages."""
