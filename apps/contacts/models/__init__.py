from apps.contacts.models.consent import ConsentKind, ConsentRecord, ConsentSource
from apps.contacts.models.contact import Contact, ContactQuerySet, ContactStatus
from apps.contacts.models.file_import import FileImport, FileImportQuerySet
from apps.contacts.models.file_upload import FileUpload, FileUploadQuerySet
from apps.contacts.models.suppression import (
    Suppression,
    SuppressionOrigin,
    SuppressionQuerySet,
    SuppressionReason,
)
from apps.contacts.models.topic import Topic, TopicQuerySet, TopicState, TopicSubscription

__all__ = [
    "ConsentKind",
    "ConsentRecord",
    "ConsentSource",
    "Contact",
    "ContactQuerySet",
    "ContactStatus",
    "FileImport",
    "FileImportQuerySet",
    "FileUpload",
    "FileUploadQuerySet",
    "Suppression",
    "SuppressionOrigin",
    "SuppressionQuerySet",
    "SuppressionReason",
    "Topic",
    "TopicQuerySet",
    "TopicState",
    "TopicSubscription",
]
