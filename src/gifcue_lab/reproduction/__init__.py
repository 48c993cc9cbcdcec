"""Makes the shipped weights again: all runs, means and models of a chain, in their order.

stages    the chain, read from a TOML file
lineage   which photographs are new to the networks of a stage
run       makes what is missing of it in a folder
"""
