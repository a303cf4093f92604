"""Data set → metrics, over the whole path as a user has it."""
