"""What ships with the program: the item model and its vocabularies, catalog, surveys, phrases, lexicon. Imports nobody."""
