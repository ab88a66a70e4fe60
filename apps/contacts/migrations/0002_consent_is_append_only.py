"""Evidence is not edited: the database refuses to change a consent record.

Deleting stays possible, because a record goes with its contact when a person is erased.
"""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION contacts_refuse_consent_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'consent_record_is_append_only'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Add a record that says what is true now.';
END
$$;
CREATE TRIGGER consent_record_is_append_only
    BEFORE UPDATE ON contacts_consentrecord
    FOR EACH STATEMENT EXECUTE FUNCTION contacts_refuse_consent_change();
"""
BACKWARDS = """
DROP TRIGGER consent_record_is_append_only ON contacts_consentrecord;
DROP FUNCTION contacts_refuse_consent_change();
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
