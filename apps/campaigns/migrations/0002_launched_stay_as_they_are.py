"""What was launched is evidence, and its planner reads it for minutes: neither edits nor deletes."""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION campaigns_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'campaign_launched_stays_as_it_is'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Make a new campaign, or cancel this one.';
END
$$;
CREATE TRIGGER campaign_launched_stays_as_it_is
    BEFORE UPDATE OF brand_id, sender_id, template_id, audience, frozen_references, mailing_id,
                     launched_at, launched_by
    ON campaigns_campaign
    FOR EACH ROW WHEN (
        OLD.mailing_id IS NOT NULL
        AND (OLD.brand_id, OLD.sender_id, OLD.template_id, OLD.audience, OLD.frozen_references,
             OLD.mailing_id, OLD.launched_at, OLD.launched_by)
            IS DISTINCT FROM
            (NEW.brand_id, NEW.sender_id, NEW.template_id, NEW.audience, NEW.frozen_references,
             NEW.mailing_id, NEW.launched_at, NEW.launched_by)
    )
    EXECUTE FUNCTION campaigns_refuse_change();
CREATE TRIGGER campaign_launched_is_not_deleted
    BEFORE DELETE ON campaigns_campaign
    FOR EACH ROW WHEN (OLD.mailing_id IS NOT NULL)
    EXECUTE FUNCTION campaigns_refuse_change();
"""
BACKWARDS = """
DROP TRIGGER campaign_launched_is_not_deleted ON campaigns_campaign;
DROP TRIGGER campaign_launched_stays_as_it_is ON campaigns_campaign;
DROP FUNCTION campaigns_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
