"""Training of the detector's three networks.

`recipe.read_recipe` reads a recipe and `loop.train` trains it or resumes its run. `hard_negatives` finds the places
that a model confuses with faces and hands, for the next run. `gifcue_lab.export` makes what is served of finished runs.
"""
