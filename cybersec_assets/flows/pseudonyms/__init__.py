"""Replace addresses with pseudonyms."""
