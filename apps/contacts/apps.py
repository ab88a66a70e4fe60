from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "apps.contacts"
    label = "contacts"
    verbose_name = "Contacts"

    def ready(self) -> None:
        from apps.contacts.uploads.due import due_uploads
        from apps.queues.sweeping import register_due_source

        register_due_source("contacts.uploads", due_uploads)
