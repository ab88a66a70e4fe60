"""Changes of suppressions and topics are kept in the audit log.

Addresses are told as changed, without their values: the log must not remember whom we forgot.
"""

from django.db import migrations

from apps.brands.audit import audit_table


class Migration(migrations.Migration):
    dependencies = [("brands", "0004_audit"), ("contacts", "0004_indexes_for_lists")]

    operations = [
        *audit_table("contacts_suppression", hidden=("address", "address_digest")),
        *audit_table("contacts_topic"),
    ]
