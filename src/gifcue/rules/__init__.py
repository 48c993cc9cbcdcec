"""Reaction ► GIF. Imports nothing of vision, transport or the rest of gifcue."""

from gifcue.rules.book import Defaults, Gif, Room, Rule, RuleBook, WeightedGif
from gifcue.rules.chooser import Choice, Chooser, ChosenGif, Considered
from gifcue.rules.load import check_book, default_book_path, load_book
from gifcue.rules.source import Mistake
from gifcue.rules.watch import BookWatcher

__all__ = [
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
    "check_book",
    "default_book_path",
    "load_book",
]
