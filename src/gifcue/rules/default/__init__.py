"""The book and the GIFs that come with gifcue."""
