from django.db import migrations, models

TRIGGER = """
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION station_note_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO station_ledgerchange (kind, object_id, at)
    VALUES ('contact', NEW.id, statement_timestamp());
    RETURN NULL;
END $$;

CREATE TRIGGER station_contact_erased AFTER UPDATE OF erased_at ON contacts_contact
    FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL AND OLD.erased_at IS NULL)
    EXECUTE FUNCTION station_note_erasure();
"""
NO_TRIGGER = """
DROP TRIGGER station_contact_erased ON contacts_contact;
DROP FUNCTION station_note_erasure;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0001_initial"),
        ("station", "0003_audit"),
    ]

    operations = [
        migrations.AlterField(
            model_name="ledgerchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("mailing", "mailing"),
                    ("batch", "batch"),
                    ("campaign", "campaign"),
                    ("contact", "contact"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(TRIGGER, NO_TRIGGER),
    ]
