"""The web pages: static files inside the package, and their delivery."""
