"""The commands of `gifcue-lab`. Errors and exit codes are those of `gifcue`: see `gifcue.cli.app`."""

from __future__ import annotations

from gifcue.cli.app import Entry, LazyGroup, make_app

COMMANDS: dict[str, Entry] = {
    "dataset": Entry("gifcue_lab.cli.dataset", "Build, check, split, convert and compose datasets."),
    "recipe": Entry("gifcue_lab.cli.recipe", "Write the recipe of a network that learns your own labels."),
    "train": Entry("gifcue_lab.cli.train", "Train one network of the detector, or resume its run."),
    "average": Entry("gifcue_lab.cli.average", "Average the weights of several runs of one network."),
    "hard-negatives": Entry(
        "gifcue_lab.cli.hard_negatives", "Find what a model takes for faces and hands by mistake."
    ),
    "pack": Entry("gifcue_lab.cli.pack", "Make a model directory from finished runs, and calibrate it."),
    "calibrate": Entry("gifcue_lab.cli.calibrate", "Fit the scores and thresholds of a model."),
    "reproduce": Entry(
        "gifcue_lab.cli.reproduce", "Make the shipped weights again, from recipes and photographs."
    ),
    "fit-heads": Entry("gifcue_lab.cli.fit_heads", "Fit what a model says of faces to new people."),
    "export": Entry("gifcue_lab.cli.export", "Convert a model's weights to the formats that are served."),
    "gestures": Entry("gifcue_lab.cli.gestures", "Make and measure the classifier of the extra gestures."),
    "evaluate": Entry("gifcue_lab.cli.evaluate", "Measure a detector on pictures, or reactions on clips."),
}


class _Commands(LazyGroup):
    commands_table = COMMANDS


app = make_app(_Commands, "gifcue-lab", "Datasets, training, evaluation and export of gifcue's detector.")
