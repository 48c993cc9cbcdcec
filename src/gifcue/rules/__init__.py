"""Chooses the GIF that answers a reaction, by a rule book. Imports nothing else of gifcue but its errors.

load_book    reads a book              Chooser       chooses GIFs by it
check_book   names its mistakes        BookWatcher   follows the file of a book
"""

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
