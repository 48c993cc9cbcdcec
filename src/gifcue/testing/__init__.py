"""Kits for tests: small stand-ins for what is slow, far away or dangerous. Nothing that is served imports them."""
