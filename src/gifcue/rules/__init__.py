"""Reaction ► GIF. Imports nothing of vision, transport or the rest of gifcue."""

from gifcue.rules.book import Defaults, Gif, Room, Rule, RuleBook, WeightedGif
from gifcue.rules.chooser import Choice, Chooser, ChosenGif, Considered, Withheld
from gifcue.rules.load import check_book, default_book_path, load_book
from gifcue.rules.references import gifs_folder
from gifcue.rules.source import Mistake
from gifcue.rules.watch import BookStatistics, BookWatcher

__all__ = [
    "BookStatistics",
    "BookWatcher",
    "Choice",
    "Chooser",
    "ChosenGif",
    "Considered",
    "Defaults",
    "Gif",
    "Mistake",
    "Room",
    "Rule",
    "RuleBook",
    "WeightedGif",
    "Withheld",
    "check_book",
    "default_book_path",
    "gifs_folder",
    "load_book",
]
