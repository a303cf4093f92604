"""Every error that Sourcier raises on purpose, drawn once.

    SourcierError
    ├── SettingsError              a setting is unknown or out of range
    ├── ModelError
    │   ├── ModelMissingError      the weights are not on this machine
    │   ├── ModelFetchError        no source could deliver the weights
    │   └── ModelDamagedError      the bytes are not the ones the catalog names
    ├── ArticleError               a file holds no article that can be read
    ├── ArchiveError
    │   ├── NoArchiveError         nothing has been indexed in this home yet
    │   ├── NothingFoundError      there is no article in what was to be added
    │   ├── IncompatibleArchiveError   made by another embedder or a newer format
    │   ├── DamagedArchiveError    a file of the index is not what its manifest says
    │   └── ArchiveBusyError       another process is writing
    ├── ConversationsError         the conversations kept cannot be read or written
    │   └── NoConversationError    there is none of that id
    ├── DataError                  a data set cannot be read, or lacks what a measurement needs
    └── QuestionError              the question cannot be answered as it was put

Each message is one line for the person who reads it: what was wrong, with the values that
disagree, and what to do. The command line and the page print it as it is.
"""

from __future__ import annotations


class SourcierError(Exception):
    """Base of all errors that are meant for the user."""


class SettingsError(SourcierError):
    """A setting is unknown, of the wrong type or out of range."""


class ModelError(SourcierError):
    """Something is wrong with the weights of a model."""


class ModelMissingError(ModelError):
    """The weights are not on this machine."""


class ModelFetchError(ModelError):
    """No source could deliver the weights."""


class ModelDamagedError(ModelError):
    """The bytes found are not those that the catalog names."""


class ArticleError(SourcierError):
    """A file holds no article that can be read."""


class ArchiveError(SourcierError):
    """Something is wrong with the index on disk."""


class NoArchiveError(ArchiveError):
    """Nothing has been indexed in this home yet."""


class NothingFoundError(ArchiveError):
    """There is no article in what was to be added, and none in the index."""


class IncompatibleArchiveError(ArchiveError):
    """The index was made by another embedder, or by a newer format."""


class DamagedArchiveError(ArchiveError):
    """A file of the index is not what its manifest says."""


class ArchiveBusyError(ArchiveError):
    """Another process is writing to this home."""


class ConversationsError(SourcierError):
    """The conversations that are kept cannot be read or written."""


class NoConversationError(ConversationsError):
    """There is no conversation of that id, or it is somebody else's."""


class DataError(SourcierError):
    """A data set cannot be read, or does not hold what a measurement needs."""


class QuestionError(SourcierError):
    """The question cannot be answered as it was put."""
