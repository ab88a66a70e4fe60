from apps.sms.backfilling.console import CsvBackfillCommand
from apps.sms.backfilling.jobs import SentLogJob


class Command(CsvBackfillCommand):
    help = "Texts that another system sent: phone, message_id, sent_at."
    job = SentLogJob
