"""Makes the shipped weights again: all runs, means and models of a chain, in their order.

stages    the chain, read from a TOML file
run       makes what is missing of it in a folder
"""
